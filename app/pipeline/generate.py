"""Making an answer: the model's words, marked and kept in the cache, as the guard let the model see the request."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from app.cache.entry import Entry
from app.pipeline.answer_parts import withhold
from app.pipeline.draft import Draft
from app.pipeline.flight import Flight
from app.pipeline.guarded import OutputGuard
from app.pipeline.output import OutputFilter
from app.pipeline.replay import as_chunks
from app.pipeline.schema import SchemaCheck
from app.retrieval.marks import Marks
from app.routing.dispatch import Dispatcher
from app.routing.types import Trip
from app.telemetry.events import Attributes

Chunk = dict[str, Any]
Chunks = AsyncGenerator[Chunk, None]


async def settled() -> None:
    """Nothing to wait for."""


@dataclass(slots=True)
class Generation:
    """Everything that making one answer takes.

    What it makes holds the guard's placeholders: whoever reads it (there may be several) puts values in their place.
    `keep` is told of an answer that has ended, once, if it is of one of the models `answering` (ids).
    """

    flight: Flight
    dispatcher: Dispatcher
    trip: Trip
    citations: list[dict[str, Any]]
    marks: Marks | None
    keep: Callable[[Entry | None], None]
    answering: frozenset[str]
    guard: OutputGuard | None = None
    schema: SchemaCheck | None = None
    told: Callable[[Entry | None], None] = lambda entry: None  # of an answer that all rails have seen, for memory
    cleared: Callable[[], Awaitable[None]] = settled  # the slow input rails have had their say
    entry: Entry | None = field(default=None, init=False)  # the answer, once it has ended

    @property
    def asked(self) -> Draft:
        """What the model is asked."""
        return self.trip.draft

    @property
    def is_held(self) -> bool:
        """Whether all of the answer is to be seen before any of it leaves."""
        return self.schema is not None and self.schema.enforces

    async def whole(self) -> Chunks:
        """The answer in one piece."""
        with self.flight.timeline.stage("generate") as attributes:
            try:
                answer = await self.dispatcher.complete(self.trip)
            finally:
                self._note(attributes)
        self._own(answer)
        self.flight.transcript.count(answer)  # before the rails: what was used is owed whatever comes
        if self.schema and await self.schema.mend(answer):
            withhold(answer)
        if self.guard:
            await self.guard.answer(answer)
            if self.schema and self.guard.changed and await self.schema.refuses(answer):
                withhold(answer)
        if self.marks:
            OutputFilter(self.marks.filter).answer(answer)
        self.flight.transcript.answer(answer)
        answer["sextant"] = self._extension()
        await self.cleared()  # before it is kept: the next one would get it without being asked
        self._end(Entry(answer))
        yield answer

    async def whole_as_stream(self) -> Chunks:
        """The answer in one piece, which had to be seen whole, as the chunks that it might have been."""
        async with aclosing(self.whole()) as made:
            async for answer in made:
                for chunk in as_chunks(answer):
                    yield chunk

    async def stream(self) -> Chunks:
        """The answer as chunks. The first with choices tells the citations, the last which of them were used; behind it
        comes the count of tokens."""
        marking = OutputFilter(self.marks.filter) if self.marks else None
        ends: list[Chunk] = []
        is_first = True
        with self.flight.timeline.stage("generate") as attributes:
            try:
                # Closed with this stream, not when the collector comes: it ends the generation in the engine.
                async with aclosing(self._chunks()) as chunks:
                    async for chunk in chunks:
                        if marking:
                            marking.chunk(chunk)
                        self.flight.transcript.chunk(chunk)
                        if is_first and chunk.get("choices"):
                            chunk["sextant"], is_first = {"citations": self.citations}, False
                        if any(choice.get("finish_reason") for choice in chunk.get("choices") or ()):
                            if self.schema and self.flight.transcript.is_text:
                                await self.schema.watch(self.flight.transcript.text)
                            if self.marks or self.flight.flags:
                                chunk["sextant"] = {**chunk.get("sextant", {}), **self._ending()}
                            # Passed on with what follows, the count of tokens: a client may leave once it has the end.
                            ends.append(chunk)
                            continue
                        for ready in (*ends, chunk):
                            yield ready
                        ends.clear()
                    for ready in (*ends, *self._count()):
                        yield ready
            finally:
                self._note(attributes)
                if self.guard:
                    self.guard.tell(attributes)
        await self.cleared()
        self._end(self.flight.transcript.entry(self._extension()))

    def _count(self) -> list[Chunk]:
        """The count of tokens in a chunk of its own, where none came: some tell it along with the last words, and of an
        answer that was withheld before its end it is what is known by then, or an estimate."""
        transcript = self.flight.transcript
        is_withheld = self.guard is not None and self.guard.withheld is not None
        if not (transcript.is_counted or is_withheld) or not (owed := self.flight.billing()):
            return []
        counted = transcript.counted(owed[1].usage)
        return [counted] if counted else []

    def _chunks(self) -> Chunks:
        """The model's, under our name, with what the output rails let out."""
        chunks = self._owned(self.dispatcher.stream(self.trip))
        return self.guard.stream(chunks) if self.guard else chunks

    async def _owned(self, chunks: Chunks) -> Chunks:
        async with aclosing(chunks):
            async for chunk in chunks:
                self._own(chunk)
                if self.guard:
                    self.flight.transcript.generates(chunk)
                yield chunk

    def _own(self, part: Chunk) -> None:
        """Answers carry our id and our model's name, whoever made them."""
        target = self.trip.answered_by
        if target is None:
            return
        self.flight.model = target.id
        part["id"] = f"{'chatcmpl' if self.asked.task == 'chat' else 'cmpl'}-{self.flight.answer_id}"
        part["model"] = target.engine_model if target.kind == "local" else target.id

    def _note(self, attributes: Attributes) -> None:
        """Tell the trace who was asked, and who answered."""
        if self.trip.attempts:
            attributes["gen_ai.request.model"] = self.trip.attempts[-1].target.engine_model
            attributes["sextant.attempts"] = [f"{a.target.id}: {a.error or 'ok'}" for a in self.trip.attempts]

    def _extension(self) -> dict[str, Any]:
        return {"citations": self.citations, **self._ending()}

    def _ending(self) -> dict[str, Any]:
        """What is known of an answer at its end, and goes with it wherever it is given again."""
        cited = {"cited": self.marks.cited} if self.marks else {}
        return {**cited, **({"guard": list(self.flight.flags.values())} if self.flight.flags else {})}

    def _end(self, entry: Entry | None) -> None:
        """What another model gave in the place of those asked for, a fallback or the other tier, is not kept."""
        self.entry = entry
        if self.guard and self.guard.failed_open:
            return  # what no rail has seen is not kept
        self.told(entry)
        target = self.trip.answered_by
        if target is not None and target.id in self.answering:
            self.keep(entry)
