"""Output rails on an answer, whole or while it streams: nothing leaves before its verdict.

Each text of an answer (content, reasoning, refusal) has a window of its own; tool calls are held until they are whole,
since nobody can use them before. A rail that needs all of the answer holds it to its end; one that only watches looks
at it then. What is masked gets a placeholder that nobody gives back.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from app.guard.output.stream_window import Window, masked
from app.guard.screening import Answered, Kind, Screening
from app.guard.types import Context, Hit, Verdict
from app.pipeline.flight import Flight
from app.pipeline.screen import note, tell
from app.pipeline.transcript import SPOKEN

Chunk = dict[str, Any]
_ALL: tuple[Kind, ...] = ("window", "whole", "watch")


def placeholder(hit: Hit, value: str) -> str:
    """What stands in an answer for what was found."""
    return f"[{hit.rule}]" if hit.rule else value


def _still_open(since: int, text: str) -> list[Hit]:
    """A hit that holds back what may become one, and changes nothing if it does not."""
    return [Hit("", 0.0, since, len(text))] if since < len(text) else []


class OutputGuard:
    """The output rails for one generation."""

    def __init__(self, screening: Screening, policy: str, context: Context, flight: Flight) -> None:
        self._screening = screening
        self._policy = policy
        self._context = context
        self._flight = flight
        self._kinds = screening.kinds(policy)
        self._enforced: tuple[Kind, ...] = tuple(kind for kind in ("window", "whole") if kind in self._kinds)
        self._lookahead, self._stride = screening.pace(policy)
        self._windows: dict[tuple[int, str], Window] = {}
        self._calls: dict[int, list[Chunk]] = {}  # by choice: deltas of tool calls that are held
        self._logprobs: dict[int, dict[str, Any]] = {}  # by choice: held to its end, since they spell the text out
        self._changed: set[int] = set()  # choices in which something was masked
        self._said: dict[tuple[int, str], list[str]] = {}  # what was released, for the rails that watch
        self._verdicts: list[Verdict] = []
        self.withheld: Verdict | None = None  # the verdict that ended the answer
        self.failed_open = False  # an enforcing rail failed, and the answer went on

    async def answer(self, answer: Chunk) -> None:
        """Screen a whole answer, in place."""
        with self._flight.timeline.stage("guard.output") as attributes:
            for choice in answer.get("choices") or ():
                for holder, name in _fields(choice):
                    text = holder[name]
                    found = await self._examine(text, _ALL)
                    if found.screened.blocked:
                        _withhold(choice)
                        break
                    holder[name] = masked(text, found.hits, placeholder)
                    if found.hits and choice.get("logprobs"):
                        choice["logprobs"] = None  # they spell it out
            tell(attributes, self._verdicts)

    async def stream(self, chunks: AsyncGenerator[Chunk, None]) -> AsyncGenerator[Chunk, None]:
        """The chunks, their texts held back until they are examined. A block ends the generation."""
        async with aclosing(chunks):
            async for chunk in chunks:
                for choice in chunk.get("choices") or ():
                    await self._pass(choice)
                    if self.withheld:
                        self._end(choice)
                        yield chunk
                        return
                if "whole" in self._kinds and not _has_ended(chunk) and chunk.get("choices"):
                    continue  # its words are in the windows; they come with the end
                yield chunk

    async def _pass(self, choice: Chunk) -> None:
        """Take a choice's words in, and put in their place what may leave now."""
        index, ended = choice.get("index", 0), choice.get("finish_reason") is not None
        delta = choice if "text" in choice else (choice.get("delta") or {})
        calls = delta.pop("tool_calls", None) if "text" not in choice else None
        if calls:
            self._calls.setdefault(index, []).extend(calls)
        if self._enforced and choice.get("logprobs"):
            self._hold_logprobs(index, choice)
        for name in ("text",) if "text" in choice else ("content", *SPOKEN):
            said = delta.get(name)
            window = self._windows.get((index, name))
            if window is None:
                if not isinstance(said, str) or not said:
                    continue
                window = self._windows[index, name] = Window(self._lookahead, stride=self._stride)
            if isinstance(said, str):
                window.add(said)
            released = await self._release(window, index, final=ended)
            if self.withheld:
                return
            if released:
                self._said.setdefault((index, name), []).append(released)
            if released or name in delta:
                delta[name] = released
        if ended:
            if held := self._calls.pop(index, None):
                delta["tool_calls"] = await self._examined_calls(held)
            if (told := self._logprobs.pop(index, None)) and index not in self._changed:
                choice["logprobs"] = told
            await self._watch(index)
        if "text" not in choice:
            choice["delta"] = delta

    async def _release(self, window: Window, index: int, *, final: bool) -> str:
        if not self._enforced:
            return window.flush()
        if "whole" in self._kinds and not final:
            return ""
        due = window.due(final)
        if due is None:
            return ""
        found = await self._examine(due[0], self._enforced)
        if found.hits:
            self._changed.add(index)
        if self.withheld:
            return ""
        return window.verdict([*found.hits, *_still_open(found.open_since, due[0])], placeholder)

    def _hold_logprobs(self, index: int, choice: Chunk) -> None:
        kept = self._logprobs.setdefault(index, {})
        for name, values in choice.pop("logprobs").items():
            if isinstance(values, list):
                kept.setdefault(name, []).extend(values)
            else:
                kept.setdefault(name, values)
        choice["logprobs"] = None

    async def _examined_calls(self, parts: Sequence[Chunk]) -> list[Chunk]:
        """The calls, each in one piece, their arguments examined."""
        calls: dict[int, Chunk] = {}
        for part in parts:
            function = part.get("function") or {}
            call = calls.setdefault(part.get("index") or 0, {**part, "function": {**function, "arguments": ""}})
            for name in ("id", "type"):
                if part.get(name):
                    call[name] = part[name]
            if function.get("name"):
                call["function"]["name"] = function["name"]
            call["function"]["arguments"] += function.get("arguments") or ""
        for call in calls.values():
            if text := call["function"]["arguments"]:
                found = await self._examine(text, _ALL)
                call["function"]["arguments"] = masked(text, found.hits, placeholder)
        return list(calls.values())

    async def _watch(self, index: int) -> None:
        """Let the rails that change nothing see what was said, once."""
        if "watch" not in self._kinds:
            return
        for (choice, _), said in self._said.items():
            if choice == index:
                await self._examine("".join(said), ("watch",))

    async def _examine(self, text: str, kinds: Sequence[Kind]) -> Answered:
        found = await self._screening.output(self._policy, text, self._context, kinds)
        note(self._flight, found.screened)
        self.failed_open = self.failed_open or found.screened.failed_open
        self._verdicts += [verdict for verdict in found.screened.verdicts if verdict.flagged or verdict.failure]
        if found.screened.blocked is not None and self.withheld is None:
            verdict = self.withheld = found.screened.blocked
            self._flight.attributes["sextant.guard.withheld"] = verdict.name
            self._flight.flag(verdict)
        return found

    def tell(self, attributes: dict[str, Any]) -> None:
        """Put the verdicts into the trace."""
        tell(attributes, self._verdicts)

    def _end(self, choice: Chunk) -> None:
        """Make this a choice's last chunk: what is held never leaves."""
        choice["logprobs"] = None
        if "text" in choice:
            choice["text"] = ""
        else:
            choice["delta"] = {}
        choice["finish_reason"] = "content_filter"


def _fields(choice: Chunk) -> list[tuple[Chunk, str]]:
    """Where a whole choice's words stand."""
    message = choice.get("message")
    fields: list[tuple[Chunk, str]] = [(choice, "text")] if message is None else []
    fields += [(message, name) for name in ("content", *SPOKEN)] if message else []
    fields += [
        (call["function"], "arguments") for call in (message or {}).get("tool_calls") or () if "function" in call
    ]
    return [(holder, name) for holder, name in fields if isinstance(holder.get(name), str) and holder[name]]


def withhold(answer: Chunk) -> None:
    """Take what an answer says out of it."""
    for choice in answer.get("choices") or ():
        _withhold(choice)


def _withhold(choice: Chunk) -> None:
    if "text" in choice:
        choice["text"] = ""
    else:
        choice["message"] = {"role": "assistant", "content": None}
    choice["logprobs"], choice["finish_reason"] = None, "content_filter"


def _has_ended(chunk: Chunk) -> bool:
    return any(choice.get("finish_reason") for choice in chunk.get("choices") or ())
