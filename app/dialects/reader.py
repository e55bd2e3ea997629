"""A streamed chat answer, step by step: which part begins, grows, is complete."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from app.dialects.answer import SAID, Answer, Chunk, Part, Tokens, called, created_of, stop_of
from app.errors import UpstreamFailed


@dataclass(frozen=True, slots=True)
class Opened:
    """A part begins; `part` has no text yet."""

    index: int
    part: Part


@dataclass(frozen=True, slots=True)
class Grown:
    """The open part has more text."""

    index: int
    part: Part  # as it was opened
    text: str


@dataclass(frozen=True, slots=True)
class Closed:
    """A part is complete, with all of its text."""

    index: int
    part: Part


Step = Opened | Grown | Closed


class AnswerReader:
    """Follows the chunks of a streamed chat answer; one part is open at a time, as dialects want it."""

    def __init__(self) -> None:
        self._answer: Answer | None = None
        self._open: Part | None = None
        self._pieces: list[str] = []
        self._call = -1  # index of the call that was opened last

    @property
    def answer(self) -> Answer:
        """What is known so far. Raises UpstreamFailed before the first chunk."""
        if self._answer is None:
            raise UpstreamFailed("The model gave no answer.")
        return self._answer

    def feed(self, chunk: Chunk) -> Iterator[Step]:
        """What a chunk means. `answer` follows as the steps are taken. Raises UpstreamFailed for nonsense."""
        self._note(chunk)
        return self._steps(chunk)

    def _steps(self, chunk: Chunk) -> Iterator[Step]:
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            for kind, name in SAID:
                if delta.get(name):
                    yield from self._grow(Part(kind), delta[name], same=self._open == Part(kind))
            for call in delta.get("tool_calls") or ():
                yield from self._grow_call(call)
            if choice.get("finish_reason"):
                self._answer = replace(self.answer, finish_reason=choice["finish_reason"], stop=stop_of(choice))
                yield from self._close()

    def end(self) -> Answer:
        """The whole answer. Raises UpstreamFailed for a stream that broke off."""
        if self.answer.finish_reason is None:
            raise UpstreamFailed("The model's answer broke off.")
        return self.answer

    def _note(self, chunk: Chunk) -> None:
        known = self._answer or Answer(chunk["model"], created_of(chunk))
        if chunk.get("usage"):
            known = replace(known, tokens=Tokens.of(chunk["usage"]))
        if chunk.get("sextant"):
            known = replace(known, extension={**known.extension, **chunk["sextant"]})
        self._answer = known

    def _grow_call(self, call: dict[str, Any]) -> Iterator[Step]:
        index = call.get("index", 0)
        same = self._open is not None and self._open.kind == "call" and index == self._call
        if not same and index <= self._call:
            # The client has been told that this call is complete, and may have run it.
            raise UpstreamFailed("The model went back to a tool call that it had finished.")
        self._call = index
        arguments = (call.get("function") or {}).get("arguments") or ""
        yield from self._grow(self._open if same and self._open else called(call), arguments, same=same)

    def _grow(self, part: Part, text: str, *, same: bool) -> Iterator[Step]:
        if not same:
            yield from self._close()
            self._open = part
            yield Opened(len(self.answer.parts), part)
        if text:
            self._pieces.append(text)
            yield Grown(len(self.answer.parts), part, text)

    def _close(self) -> Iterator[Step]:
        if self._open is None:
            return
        part = replace(self._open, text="".join(self._pieces))
        index = len(self.answer.parts)
        self._answer = replace(self.answer, parts=(*self.answer.parts, part))
        self._open, self._pieces = None, []
        yield Closed(index, part)
