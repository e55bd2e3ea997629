"""Output rails on an answer, whole or while it streams: nothing leaves before its verdict.

Each text of an answer (content, reasoning, refusal) has a window of its own; tool calls are held until they are whole,
since nobody can use them before, and of an answer that is to be JSON each value is. A rail that needs all of the answer
holds it to its end; one that only watches looks at it then. What is masked gets a placeholder that nobody gives back.
Fields that no rail reads do not leave.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from app.guard.output.stream_window import Mask, Window, masked
from app.guard.screening import Answered, Kind, Screening
from app.guard.spans import placeholder
from app.guard.types import Context, Hit, Verdict
from app.pipeline.answer_parts import Chunk, assembled, bare, ending, fields, known, parts_of, withhold_choice
from app.pipeline.flight import Flight
from app.pipeline.json_answers import begins_json, values_of, wants_json
from app.pipeline.output import SPOKEN
from app.pipeline.screen import note, tell
from app.pipeline.texts import Place

_ALL: tuple[Kind, ...] = ("window", "whole", "watch")
AT_ONCE = 32  # values of a JSON text: rails take a few hundred calls at a time, from all requests
# What a model says first, and what then: reasoning, under whichever name, then the answer, or why there is none.
_TURN = {"reasoning_content": 0, "reasoning": 0, "content": 1, "text": 1, "refusal": 2}


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
        self._begun: dict[int, bool] = {}  # choices; whether they have ended
        self._calls: dict[int, list[Chunk]] = {}  # by choice: deltas of tool calls that are held
        self._logprobs: dict[int, dict[str, Any]] = {}  # by choice: held to its end, since they spell the text out
        self._changed: set[int] = set()  # choices in which something was masked
        self._wants_json = wants_json(context.response_format)
        self._is_json: dict[int, bool] = {}  # by choice: its content is, by its beginning
        self._hidden: dict[str, Sequence[Hit]] = {}  # in what strings with escapes say
        self._said: dict[tuple[int, str], list[str]] = {}  # what was released, for the rails that watch
        self._verdicts: dict[tuple[str, str, int], Verdict] = {}  # by rail, rule, and where it is
        self._failed: set[str] = set()  # rails that failed, and let the answer go on: not asked again
        self.withheld: Verdict | None = None  # the verdict that ended the answer
        self.failed_open = False  # an enforcing rail failed, and the answer went on

    async def answer(self, answer: Chunk) -> None:
        """Screen a whole answer, in place."""
        with self._flight.timeline.stage("guard.output") as attributes:
            for choice in answer.get("choices") or ():
                known(choice, enforced=bool(self._enforced))
                for holder, name in fields(choice):
                    found = await self._examine(holder[name], _ALL)
                    if self.withheld:
                        break
                    await self._mask(choice, holder, name, found.hits)
                for call in (choice.get("message") or {}).get("tool_calls") or ():
                    if await self._examine_call(call):
                        _forget_logprobs(choice)
            if self.withheld:
                for choice in answer.get("choices") or ():
                    withhold_choice(choice)
            self.tell(attributes)

    async def stream(self, chunks: AsyncGenerator[Chunk, None]) -> AsyncGenerator[Chunk, None]:
        """The chunks, their texts held back until they are examined. A block ends the generation, with all choices."""
        async with aclosing(chunks):
            async for chunk in chunks:
                for choice in chunk.get("choices") or ():
                    await self._pass(choice)
                    if self.withheld:
                        yield ending(chunk, [index for index, ended in self._begun.items() if not ended])
                        return
                if "whole" in self._kinds and bare(chunk):
                    continue  # its words are in the windows; they come with the end
                yield chunk

    @property
    def changed(self) -> bool:
        """Whether something was masked."""
        return bool(self._changed)

    def tell(self, attributes: dict[str, Any]) -> None:
        """Put the verdicts into the trace."""
        tell(attributes, list(self._verdicts.values()))

    async def _pass(self, choice: Chunk) -> None:
        """Take a choice's words in, and put in their place what may leave now."""
        index, ended = choice.get("index", 0), bool(choice.get("finish_reason"))
        known(choice, enforced=bool(self._enforced))
        delta = parts_of(choice)
        calls = delta.pop("tool_calls", None) if "text" not in choice else None
        if calls:
            self._calls.setdefault(index, []).extend(calls)
        if self._enforced and choice.get("logprobs"):
            self._hold_logprobs(index, choice)
        names = ("text",) if "text" in choice else (*SPOKEN, "content")
        speaking = {name for name in names if isinstance(delta.get(name), str) and delta[name]}
        for name in names:
            window = self._windows.get((index, name))
            if window is None:
                if name not in speaking:
                    continue
                window = self._windows[index, name] = Window(self._lookahead, stride=self._stride)
            if name in speaking:
                window.add(delta[name])
            # A field is over once a later one speaks, and it does not: what is cut in two is examined whole.
            is_over = name not in speaking and any(_TURN[other] > _TURN[name] for other in speaking)
            released = await self._release(window, index, name, final=ended or is_over)
            if self.withheld:
                self._begun[index] = False
                return
            if released:
                self._said.setdefault((index, name), []).append(released)
            if released or name in delta:
                delta[name] = released
        self._begun[index] = ended
        if ended:
            if held := self._calls.pop(index, None):
                delta["tool_calls"] = assembled(held)
                for call in delta["tool_calls"]:
                    if await self._examine_call(call):
                        self._changed.add(index)
                self._begun[index] = not self.withheld
            if (told := self._logprobs.pop(index, None)) and index not in self._changed:
                choice["logprobs"] = told
            await self._watch(index)
        if "text" not in choice:
            choice["delta"] = delta

    async def _release(self, window: Window, index: int, name: str, *, final: bool) -> str:
        if not self._enforced:
            return window.flush()
        if "whole" in self._kinds and not final:
            return ""
        due = window.due(final)
        if due is None:
            return ""
        text, offset = due
        found = await self._examine(text, self._enforced, window.forgotten)
        spans: Sequence[Hit] = found.hits
        mask: Mask = placeholder
        if found.hits:
            self._changed.add(index)
        if not self.withheld and self._reads_json(index, name, text):
            # A value is held like a hit: none leaves in two parts.
            spans, mask = await self._in_json(index, text, found.hits, offset, window.forgotten, final=final)
        if self.withheld:
            return ""
        # What may become a hit is held like one; at the end nothing can any more.
        is_open = not final and found.open_since < len(text)
        held = [Hit("", 0.0, found.open_since, len(text))] if is_open else []
        return window.verdict([*spans, *held], mask)

    def _hold_logprobs(self, index: int, choice: Chunk) -> None:
        kept = self._logprobs.setdefault(index, {})
        for name, values in choice.pop("logprobs").items():
            if isinstance(values, list):
                kept.setdefault(name, []).extend(values)
            else:
                kept.setdefault(name, values)
        choice["logprobs"] = None

    async def _examine_call(self, call: Chunk) -> bool:
        """A whole tool call's arguments, each string and number in them by itself: escapes would hide them otherwise,
        and a number masked where it stands would be no JSON. Whether something was masked."""
        if self.withheld or not (call.get("function") or {}).get("arguments"):
            return False
        place = Place(call["function"], "arguments", is_json=True)
        texts = place.read()
        found = await self._examine_each(dict.fromkeys(texts, 0), _ALL)
        if self.withheld:
            call["function"]["arguments"] = "{}"
            return True
        if not any(found.values()):
            return False
        place.write([masked(text, found[text], placeholder) for text in texts])
        return True

    async def _examine_each(self, texts: Mapping[str, int], kinds: Sequence[Kind]) -> dict[str, Sequence[Hit]]:
        """The hits in each text by itself. `texts`: and where they begin in the whole one."""
        found: dict[str, Sequence[Hit]] = {}
        left = list(texts.items())
        for start in range(0, len(left), AT_ONCE):
            some = left[start : start + AT_ONCE]
            answers = await asyncio.gather(*(self._examine(text, kinds, begins) for text, begins in some))
            found |= {text: answered.hits for (text, _), answered in zip(some, answers, strict=True)}
            if self.withheld:
                break
        return found

    def _reads_json(self, index: int, name: str, text: str) -> bool:
        """Whether a field is JSON, and stays it. `text`: its beginning, when it is asked about first."""
        if not self._wants_json or name != "content":
            return False
        if index not in self._is_json and text.strip():
            self._is_json[index] = begins_json(text)
        return self._is_json.get(index, False)

    async def _in_json(
        self, index: int, text: str, hits: Sequence[Hit], offset: int = 0, begins: int = 0, *, final: bool = True
    ) -> tuple[list[Hit], Mask]:
        """The values of JSON source from `offset` on, and what stands in their places. What escapes hide is examined
        as well, once a string is whole."""
        values = values_of(text, offset)
        if "window" in self._kinds:
            whole = [(v.legible, begins + v.start + 1) for v in values if v.legible and (v.is_closed or final)]
            new = {said: at for said, at in reversed(whole) if said not in self._hidden}
            self._hidden |= await self._examine_each(new, ("window",))
        sources = {v.start: v.masked(hits, self._hidden.get(v.legible or "", ())) for v in values}
        if any(sources[value.start] != value.source for value in values):
            self._changed.add(index)
        return [value.span for value in values], lambda hit, value: sources.get(hit.start, value)

    async def _watch(self, index: int) -> None:
        """Let the rails that change nothing see what was said, once."""
        if "watch" not in self._kinds:
            return
        for (choice, _), said in self._said.items():
            if choice == index:
                await self._examine("".join(said), ("watch",))

    async def _examine(self, text: str, kinds: Sequence[Kind], begins: int = 0) -> Answered:
        """`begins`: where this text begins in the whole one."""
        found = await self._screening.output(self._policy, text, self._context, kinds, without=self._failed)
        screened = found.screened
        note(self._flight, screened)
        self.failed_open = self.failed_open or screened.failed_open
        for verdict in screened.verdicts:
            if verdict.failure and screened.blocked is None:
                self._failed.add(verdict.rail)
            if verdict.flagged or verdict.failure:
                placed = replace(verdict, start=verdict.start + begins, end=verdict.end + begins)
                key = (verdict.rail, verdict.rule, placed.start)
                if key not in self._verdicts:
                    self._screening.on_verdict(placed)
                    self._verdicts[key] = placed
        if screened.blocked is not None and self.withheld is None:
            verdict = self.withheld = screened.blocked
            self._flight.attributes["sextant.guard.withheld"] = verdict.name
            self._flight.flag(verdict)
        return found

    async def _mask(self, choice: Chunk, holder: Chunk, name: str, hits: Sequence[Hit]) -> None:
        index, text = choice.get("index", 0), holder[name]
        spans: Sequence[Hit] = hits
        mask: Mask = placeholder
        if self._reads_json(index, name, text):
            spans, mask = await self._in_json(index, text, hits)
        holder[name] = masked(text, spans, mask)
        if holder[name] != text:
            self._changed.add(index)
            _forget_logprobs(choice)


def _forget_logprobs(choice: Chunk) -> None:
    """They spell out what was masked."""
    if choice.get("logprobs"):
        choice["logprobs"] = None
