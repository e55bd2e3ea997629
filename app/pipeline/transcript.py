"""What a stream said, kept while it passes: for the cache, the trace and the ledger."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from app.cache.entry import Entry
from app.pipeline.output import SPOKEN, content_of
from app.telemetry.events import Usage

MAX_COUNT = 2**31  # tokens; more than that is no count


class Transcript:
    """Follows the chunks (or the whole answer) of one request."""

    def __init__(self) -> None:
        self.deltas: list[str] = []
        self.generated: list[str] = []  # all that was generated: text, reasoning, refusals, calls
        self.usage = Usage()
        self.is_counted = False  # the model has told its usage
        self.is_prompt_counted = False  # it has told that of the prompt at least
        self.choices_per_prompt: int | None = None  # None: all choices are of one prompt
        self.replica_seconds = 0.0  # of a replica's time, as the model deployment splits it
        self.finish_reasons: list[str] = []
        self.first_token_ns: int | None = None
        self._is_told = False  # what is generated and used, before it is held back or withheld
        self._spoken: dict[str, list[str]] = {}  # by field, beside the text
        self._calls: dict[int, dict[str, Any]] = {}  # of tools, by index
        self._head: dict[str, Any] | None = None  # of the first chunk with choices
        self._usage: dict[str, Any] | None = None
        self._running: dict[int, Usage] = {}  # by choice, told along with its chunks
        self._told_last: Any = None  # as it was told

    def generates(self, chunk: dict[str, Any]) -> None:
        """Note a chunk as the model made it, before rails hold it back or withhold it: it was made, and costs."""
        self._note_made(chunk)
        self._count(chunk)

    def count(self, answer: dict[str, Any]) -> None:
        """Note what a whole answer has used, and what was made of it, whether or not it is the one that leaves."""
        self._note_made(answer)
        self._count({**answer, "choices": []})

    def chunk(self, chunk: dict[str, Any]) -> None:
        """Note a chunk of a stream, as it leaves. What it has used counts once, where it was made."""
        if self._head is None and chunk.get("choices"):  # (one about the prompt, before it, names nothing)
            self._head = {name: chunk[name] for name in ("id", "object", "created", "model") if name in chunk}
        for choice in chunk.get("choices") or ():
            text = content_of(choice)
            delta = choice.get("delta") or {}
            if text:
                self.deltas.append(text)
            self._note_beside(delta)
            said = [text] if text else []
            said += _beside(delta)
            if not self._is_told:
                self.generated += said
            if said and self.first_token_ns is None:
                self.first_token_ns = time.time_ns()
            if choice.get("finish_reason"):
                self.finish_reasons.append(choice["finish_reason"])
        if not self._is_told:
            self._count(chunk)

    def answer(self, answer: dict[str, Any]) -> None:
        """Note a whole answer."""
        self.finish_reasons = [c["finish_reason"] for c in answer["choices"] if c.get("finish_reason")]
        self.deltas = [text for choice in answer["choices"] if (text := content_of(choice))]
        beside = (part for choice in answer["choices"] for part in _beside(choice.get("message") or {}))
        if not self._is_told:
            self.generated = [*self.deltas, *beside]
        self._count({**answer, "choices": []})
        answer.pop("replica_seconds", None)

    @property
    def text(self) -> str:
        return "".join(self.deltas)

    @property
    def is_text(self) -> bool:
        """Whether it is the answer in words: no call of a tool, and no refusal."""
        return not self._calls and "refusal" not in self._spoken

    def counted(self, usage: Usage) -> dict[str, Any] | None:
        """The chunk that tells the usage at the end, for a stream in which none did; None where one has."""
        if self._usage is not None:
            return None
        self._usage = self._told_last if len(self._running) == 1 else _told(usage)
        return {**(self._head or {}), "choices": [], "usage": self._usage}

    def entry(self, extension: dict[str, Any]) -> Entry | None:
        """The streamed answer as a cache entry; None for what an entry cannot hold."""
        if len(self.finish_reasons) != 1 or self._head is None:
            return None
        streamed = self._head.get("object", "")
        choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": self.finish_reasons[0]}
        if streamed == "text_completion":
            choice["text"] = self.text
        else:
            message: dict[str, Any] = {"role": "assistant", "content": self.text or (None if self._calls else "")}
            message |= {name: "".join(said) for name, said in self._spoken.items()}
            if self._calls:
                message["tool_calls"] = [call for _, call in sorted(self._calls.items())]
            choice["message"] = message
        answer = {
            "id": self._head.get("id"),
            "object": streamed.removesuffix(".chunk"),
            "created": self._head.get("created"),
            "model": self._head.get("model"),
            "choices": [choice],
            "usage": self._usage,
            "sextant": extension,
        }
        return Entry(answer, tuple(self.deltas))

    def _note_made(self, part: dict[str, Any]) -> None:
        self._is_told = True
        for choice in part.get("choices") or ():
            text = content_of(choice)
            self.generated += [text] if text else []
            self.generated += _beside(choice.get("delta") or choice.get("message") or {})

    def _note_beside(self, delta: dict[str, Any]) -> None:
        """Put reasoning, refusals and calls together, as a whole answer would have them."""
        for name in SPOKEN:
            if isinstance(said := delta.get(name), str) and said:
                self._spoken.setdefault(name, []).append(said)
        for part in delta.get("tool_calls") or ():
            empty = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
            call = self._calls.setdefault(part.get("index") or 0, empty)
            call["id"] = part.get("id") or call["id"]
            if signed := part.get("extra_content"):
                call["extra_content"] = signed  # Gemini wants its signature back
            function, more = call["function"], part.get("function") or {}
            for name in ("name", "arguments"):
                function[name] += more.get(name) or ""

    def _count(self, body: dict[str, Any]) -> None:
        self.replica_seconds = body.pop("replica_seconds", self.replica_seconds)
        told: Any = body.get("usage")
        usage = _usage(told)
        if usage is None:
            return
        choices = body.get("choices")
        if choices and told.get("completion_tokens") is None:
            # Anthropic counts the prompt before there is an answer, and the answer at its end.
            self.usage, self.is_prompt_counted = usage, True
            return
        self.is_counted = True
        if not choices:
            self._usage, self.usage = told, usage
            return
        # vLLM counts each choice by itself as it goes.
        self._running[choices[0].get("index") or 0], self._told_last = usage, told
        self.usage = usage if len(self._running) == 1 else self._together()

    def _together(self) -> Usage:
        """What all choices have used so far; those of one prompt share it."""
        prompts: dict[int, list[Usage]] = {}
        for index, usage in self._running.items():
            prompt = index // self.choices_per_prompt if self.choices_per_prompt else 0
            prompts.setdefault(prompt, []).append(usage)

        def read(count: Callable[[Usage], int]) -> int:
            return sum(max(map(count, usages)) for usages in prompts.values())

        return Usage(
            prompt_tokens=read(lambda usage: usage.prompt_tokens),
            completion_tokens=sum(usage.completion_tokens for usage in self._running.values()),
            cached_tokens=read(lambda usage: usage.cached_tokens),
            written_tokens=read(lambda usage: usage.written_tokens),
            written_1h_tokens=read(lambda usage: usage.written_1h_tokens),
        )


def _beside(message: dict[str, Any]) -> Iterator[str]:
    """What a message or a delta holds beside its content."""
    for name in SPOKEN:
        if isinstance(said := message.get(name), str) and said:
            yield said
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        yield from (said for name in ("name", "arguments") if isinstance(said := function.get(name), str) and said)


def _told(usage: Usage) -> dict[str, Any]:
    """A usage as a model would tell it."""
    details = {"cached_tokens": usage.cached_tokens}
    if usage.written_tokens:
        details |= {"cache_write_tokens": usage.written_tokens, "cache_write_1h_tokens": usage.written_1h_tokens}
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": details,
    }


def _usage(told: Any) -> Usage | None:
    """What a model says it has used; None for what is no count."""
    if not isinstance(told, dict):
        return None
    details = told.get("prompt_tokens_details")
    parts = details if isinstance(details, dict) else {}
    counts = [told.get("prompt_tokens") or 0, told.get("completion_tokens") or 0]
    counts += [parts.get(name) or 0 for name in ("cached_tokens", "cache_write_tokens", "cache_write_1h_tokens")]
    if not all(type(count) is int and 0 <= count < MAX_COUNT for count in counts):
        return None
    return Usage(*counts)
