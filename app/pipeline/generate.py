"""The last stretch: the model's answer, marked, kept in the cache, restored and passed on."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from app.accounts.money import usd
from app.cache.desk import CacheDesk
from app.cache.exact import Entry
from app.guard.restore import Restorer
from app.guard.types import Screened
from app.pipeline.draft import Draft
from app.pipeline.flight import Flight
from app.pipeline.output import OutputFilter
from app.pipeline.replay import replay_answer, replay_stream
from app.retrieval.marks import Marks
from app.routing.dispatch import Dispatcher
from app.routing.types import Trip
from app.telemetry.events import Attributes

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

    async def whole(self, dispatcher: Dispatcher, trip: Trip) -> Chunk:
        """Make the answer in one piece."""
        with self.flight.timeline.stage("generate") as attributes:
            try:
                answer = await dispatcher.complete(trip)
            finally:
                self._note(trip, attributes)
        self._own(answer, trip)
        if self.marks:
            OutputFilter(self.marks.filter).answer(answer)
        self.flight.transcript.answer(answer)
        answer["sextant"] = self._extension()
        self._keep(Entry(answer), trip)
        answer["sextant"]["cost_usd"] = self.cost()
        return self._restored().answer(answer)

    async def stream(self, dispatcher: Dispatcher, trip: Trip) -> Chunks:
        """Make the answer as a stream of chunks."""
        marking = OutputFilter(self.marks.filter) if self.marks else None
        with self.flight.timeline.stage("generate") as attributes:
            try:
                # Closed with this stream, not when the collector comes: it ends the generation in the engine.
                async with aclosing(self._outgoing(dispatcher.stream(trip), marking, trip=trip)) as outgoing:
                    async for chunk in outgoing:
                        yield chunk
            finally:
                self._note(trip, attributes)
        self._keep(self.flight.transcript.entry(self._extension()), trip)

    def replay(self, entry: Entry) -> Chunk:
        """A cached answer, in one piece."""
        answer = replay_answer(entry, self._wire_id(entry))
        self.flight.model = answer["model"]
        self.flight.transcript.answer(answer)
        answer["sextant"] = {**(answer.get("sextant") or {}), "cache": self.flight.cache, "cost_usd": 0.0}
        return self._restored().answer(answer)

    async def replay_stream(self, entry: Entry) -> Chunks:
        """A cached answer, as a stream."""
        extension = entry.answer.get("sextant") or {}
        chunks = replay_stream(entry, self._wire_id(entry))
        self.flight.model = entry.answer["model"]
        async with aclosing(self._outgoing(chunks, None, extension)) as outgoing:
            async for chunk in outgoing:
                yield chunk

    async def _outgoing(
        self,
        chunks: Any,
        marking: OutputFilter | None,
        extension: dict[str, Any] | None = None,
        trip: Trip | None = None,
    ) -> Chunks:
        dressed = Dressing(self, extension or {"citations": self.citations}, self._restored())
        ends: list[Chunk] = []
        try:
            async for chunk in chunks:
                if trip:
                    self._own(chunk, trip)
                if marking:
                    marking.chunk(chunk)
                self.flight.transcript.chunk(chunk)
                if trip and any(choice.get("finish_reason") for choice in chunk.get("choices") or ()):
                    # Passed on with what follows, the count of tokens: a client may leave once it has the end.
                    ends.append(chunk)
                    continue
                for ready in (*ends, chunk):
                    if dressed.dress(ready):
                        yield ready
                ends.clear()
            for ready in ends:
                if dressed.dress(ready):
                    yield ready
        finally:
            await chunks.aclose()

    def _own(self, part: Chunk, trip: Trip) -> None:
        """Answers carry our id and our model's name, whoever made them."""
        target = trip.answered_by
        if target is None:
            return
        self.flight.model = target.id
        part["id"] = f"{'chatcmpl' if trip.draft.task == 'chat' else 'cmpl'}-{self.flight.answer_id}"
        part["model"] = target.engine_model if target.kind == "local" else target.id

    def _note(self, trip: Trip, attributes: Attributes) -> None:
        """Tell the trace who was asked, and who answered."""
        if trip.attempts:
            attributes["gen_ai.request.model"] = trip.attempts[-1].target.engine_model
            attributes["sextant.attempts"] = [f"{a.target.id}: {a.error or 'ok'}" for a in trip.attempts]

    def cost(self) -> float:
        owed = self.flight.billing()
        return usd(owed[1].cost_nano) if owed else 0.0

    def _extension(self) -> dict[str, Any]:
        cited = {"cited": self.marks.cited} if self.marks else {}
        return {"citations": self.citations, **cited, "cache": self.flight.cache}

    def _keep(self, entry: Entry | None, trip: Trip) -> None:
        """Not what no guard has seen, and not what a fallback has said in another's place."""
        if not self.screened.failed_open and trip.answered_by in trip.plan.order:
            self.desk.keep(self.asked.body, entry)

    def _restored(self) -> OutputFilter:
        vault = self.screened.vault
        return OutputFilter(lambda: Restorer(vault), lambda: Restorer(vault, in_json=True))

    def _wire_id(self, entry: Entry) -> str:
        prefix = "chatcmpl" if "chat" in entry.answer.get("object", "") else "cmpl"
        return f"{prefix}-{self.flight.answer_id}"


class Dressing:
    """What a chunk wears when it leaves: our extension, restored values, and usage only where it belongs."""

    def __init__(self, generation: Generation, extension: dict[str, Any], restoring: OutputFilter) -> None:
        self._generation = generation
        self._extension: dict[str, Any] | None = {**extension, "cache": generation.flight.cache}
        self._restoring = restoring

    def dress(self, chunk: Chunk) -> bool:
        """Change a chunk in place. False: it is not for the client."""
        choices = chunk.get("choices")
        if choices:
            chunk.pop("usage", None)  # counted as it goes; the client gets it once, at the end
        elif not self._generation.include_usage:
            return False
        else:
            chunk["sextant"] = {"cost_usd": self._generation.cost()}
        self._restoring.chunk(chunk)
        marks = self._generation.marks
        if self._extension is not None:
            chunk["sextant"] = {**(chunk.get("sextant") or {}), **self._extension}
            self._extension = None
        elif marks and any(choice.get("finish_reason") for choice in choices or ()):
            chunk["sextant"] = {"cited": marks.cited}
        return True
