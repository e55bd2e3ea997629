"""Delivery: what a reader gets of an answer. Values restored, usage where it belongs, and how it came about."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from app.accounts.money import usd
from app.cache.entry import Entry
from app.guard.restore import Restorer
from app.guard.types import Screened
from app.pipeline.flight import Flight
from app.pipeline.generate import Chunk, Chunks
from app.pipeline.output import OutputFilter
from app.pipeline.replay import replay_answer, replay_stream


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one client gets its answer, whoever made it and whenever.

    `include_usage`: the client of a stream wants to be told at the end. `is_json`: the answer is to be JSON, and stay
    it whatever the values hold.
    """

    flight: Flight
    screened: Screened
    include_usage: bool
    is_json: bool = False

    def answer(self, answer: Chunk) -> Chunk:
        """An answer of this request's own, in one piece. Changed in place."""
        extension = self._flagged(answer.get("sextant") or {})
        answer["sextant"] = {**extension, "cache": self.flight.cache, "cost_usd": self._cost()}
        return self._restoring().answer(answer)

    async def stream(self, chunks: Chunks) -> Chunks:
        """An answer of this request's own, as it is made."""
        async with aclosing(chunks):
            async for ready in self._dressed(chunks):
                yield ready

    def replay(self, entry: Entry) -> Chunk:
        """Another request's answer, in one piece."""
        answer = self._adopted(replay_answer(entry))
        self.flight.transcript.answer(answer)
        return self.answer(answer)

    async def replay_stream(self, entry: Entry) -> Chunks:
        """Another request's answer, as the stream that it was, or might have been."""
        async for ready in self._dressed(self._followed(replay_stream(entry))):
            yield ready

    async def follow(self, chunks: Chunks) -> Chunks:
        """Another request's answer, while it is made."""
        async with aclosing(chunks):
            async for ready in self._dressed(self._followed(chunks)):
                yield ready

    async def _followed(self, chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
        async for chunk in chunks:
            self.flight.transcript.chunk(self._adopted(chunk))
            yield chunk

    async def _dressed(self, chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
        restoring, is_first = self._restoring(), True
        async for chunk in chunks:
            choices = chunk.get("choices")
            if choices:
                chunk.pop("usage", None)  # counted as it goes; the client gets it once, at the end
            elif not self.include_usage:
                continue
            else:
                chunk["sextant"] = {**(chunk.get("sextant") or {}), "cost_usd": self._cost()}
            has_flags = self.flight.flags or "guard" in (chunk.get("sextant") or {})
            if has_flags and any(choice.get("finish_reason") for choice in choices or ()):
                chunk["sextant"] = self._flagged(chunk.get("sextant") or {})
            restoring.chunk(chunk)
            if is_first and choices:
                chunk["sextant"] = {**(chunk.get("sextant") or {}), "cache": self.flight.cache}
                is_first = False
            yield chunk

    def _adopted(self, part: Chunk) -> Chunk:
        """Another's answer, or a chunk of it, under our id. Its usage says that none of it was made for us."""
        self.flight.model = part.get("model") or self.flight.model
        part["id"] = f"{'chatcmpl' if part.get('object', '').startswith('chat') else 'cmpl'}-{self.flight.answer_id}"
        usage: dict[str, Any] | None = part.get("usage")
        if usage and "prompt_tokens" in usage:
            details = {**(usage.get("prompt_tokens_details") or {}), "cached_tokens": usage["prompt_tokens"]}
            for written in ("cache_write_tokens", "cache_write_1h_tokens"):
                details.pop(written, None)  # into a provider's cache, for the one who had it made
            part["usage"] = {**usage, "prompt_tokens_details": details}
        return part

    def _flagged(self, extension: dict[str, Any]) -> dict[str, Any]:
        """The extension with what the guard holds of request and answer."""
        # What was held of another question says nothing of this one.
        others = self.flight.cache == "semantic"
        with_answer = [flag for flag in extension.get("guard") or () if flag["place"] == "output" or not others]
        told = {(flag["place"], flag["rule"]): flag for flag in with_answer} | self.flight.flags
        extension = {name: value for name, value in extension.items() if name != "guard"}
        return {**extension, "guard": list(told.values())} if told else extension

    def _cost(self) -> float:
        owed = self.flight.billing()
        return usd(owed[1].cost_nano) if owed else 0.0

    def _restoring(self) -> OutputFilter:
        vault = self.screened.vault

        def in_text() -> Restorer:
            return Restorer(vault)

        def in_json() -> Restorer:
            return Restorer(vault, in_json=True)

        return OutputFilter(in_json if self.is_json else in_text, in_json, in_text)
