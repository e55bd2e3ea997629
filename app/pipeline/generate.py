"""The last stretch: the model's answer, marked, kept in the cache, restored and passed on."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from app.cache.desk import CacheDesk
from app.cache.exact import Entry
from app.guard.restore import Restorer
from app.guard.types import Screened
from app.pipeline.draft import Draft
from app.pipeline.flight import Flight
from app.pipeline.output import OutputFilter
from app.pipeline.ports import ModelPort
from app.pipeline.replay import replay_answer, replay_stream
from app.retrieval.marks import Marks

Chunk = dict[str, Any]
Chunks = AsyncGenerator[Chunk, None]


@dataclass(frozen=True, slots=True)
class Generation:
    """Everything that making one answer takes.

    The cache keeps the answer as the model saw the request: with marks, with the guard's
    placeholders. Only what leaves is restored.
    """

    flight: Flight
    desk: CacheDesk
    asked: Draft  # what the client asked, screened: what the cache key is made of
    screened: Screened
    citations: list[dict[str, Any]]
    marks: Marks | None
    include_usage: bool

    async def whole(self, model: ModelPort, draft: Draft, engine_model: str) -> Chunk:
        """Make the answer in one piece."""
        with self.flight.timeline.stage("generate", **{"gen_ai.request.model": engine_model}):
            answer = await model.complete(draft.task, draft.for_engine(engine_model), self.flight.answer_id)
        if self.marks:
            OutputFilter(self.marks.filter).answer(answer)
        self.flight.transcript.answer(answer)
        answer["sextant"] = self._extension()
        await self._keep(Entry(answer))
        return self._restored().answer(answer)

    async def stream(self, model: ModelPort, draft: Draft, engine_model: str) -> Chunks:
        """Make the answer as a stream of chunks."""
        marking = OutputFilter(self.marks.filter) if self.marks else None
        with self.flight.timeline.stage("generate", **{"gen_ai.request.model": engine_model}):
            chunks = model.stream(draft.task, draft.for_engine(engine_model), self.flight.answer_id)
            # Closed with this stream, not when the collector comes: it ends the generation in the engine.
            async with aclosing(self._outgoing(chunks, marking)) as outgoing:
                async for chunk in outgoing:
                    yield chunk
        await self._keep(self.flight.transcript.entry(self._extension()))

    def replay(self, entry: Entry) -> Chunk:
        """A cached answer, in one piece."""
        answer = replay_answer(entry, self._wire_id(entry))
        self.flight.transcript.answer(answer)
        answer["sextant"] = {**(answer.get("sextant") or {}), "cache": self.flight.cache}
        return self._restored().answer(answer)

    async def replay_stream(self, entry: Entry) -> Chunks:
        """A cached answer, as a stream."""
        extension = entry.answer.get("sextant") or {}
        chunks = replay_stream(entry, self._wire_id(entry))
        async with aclosing(self._outgoing(chunks, None, extension)) as outgoing:
            async for chunk in outgoing:
                yield chunk

    async def _outgoing(
        self, chunks: Any, marking: OutputFilter | None, extension: dict[str, Any] | None = None
    ) -> Chunks:
        restoring = self._restored()
        is_first = True
        try:
            async for chunk in chunks:
                if marking:
                    marking.chunk(chunk)
                self.flight.transcript.chunk(chunk)
                if not chunk.get("choices") and not self.include_usage:
                    continue
                restoring.chunk(chunk)
                if is_first:
                    first = {"citations": self.citations} if extension is None else extension
                    chunk["sextant"] = {**first, "cache": self.flight.cache}
                elif self.marks and any(c.get("finish_reason") for c in chunk.get("choices") or ()):
                    chunk["sextant"] = {"cited": self.marks.cited}
                is_first = False
                yield chunk
        finally:
            await chunks.aclose()

    def _extension(self) -> dict[str, Any]:
        cited = {"cited": self.marks.cited} if self.marks else {}
        return {"citations": self.citations, **cited, "cache": self.flight.cache}

    async def _keep(self, entry: Entry | None) -> None:
        if not self.screened.failed_open:
            await self.desk.keep(self.asked.body, entry)

    def _restored(self) -> OutputFilter:
        vault = self.screened.vault
        return OutputFilter(lambda: Restorer(vault), lambda: Restorer(vault, in_json=True))

    def _wire_id(self, entry: Entry) -> str:
        prefix = "chatcmpl" if "chat" in entry.answer.get("object", "") else "cmpl"
        return f"{prefix}-{self.flight.answer_id}"
