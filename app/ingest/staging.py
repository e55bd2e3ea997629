"""Prepared documents to vectors in the store, several groups of documents at a time."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from app.ingest.chunk import embedding_text
from app.ingest.prepare import Prepared
from app.ingest.workers import Workers
from app.retrieval.types import Chunk, Vector

# Documents are staged together until this many passages are at hand: one write of many is faster than many of few.
# A run that is killed loses what it had of them, a second or two of work.
GROUP_CHUNKS = 256


class Stage(Protocol):
    """Where documents are staged."""

    async def stage(self, tenant: str, chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> None: ...


class Staging:
    """Collects documents into groups; each group is embedded and then staged, while others are on their way."""

    def __init__(self, target: Stage, workers: Workers, tenant: str, on_step: Callable[[str, int], None]) -> None:
        """`on_step` is called with "" and a number of passages that were embedded, and with the name of a document
        that was staged."""
        self._target = target
        self._workers = workers
        self._tenant = tenant
        self._on_step = on_step
        # One group is being written, one embedded, and one waits; more where it takes more to keep all workers busy.
        groups = max(3, 1 + 2 * workers.slots * workers.slice_chunks // GROUP_CHUNKS)
        self._under_way = asyncio.Semaphore(groups)
        self._writing = asyncio.Lock()
        self._group: list[Prepared] = []
        self.embedded = 0

    async def add(self, document: Prepared, tasks: asyncio.TaskGroup) -> None:
        """Take a document; waits while enough are under way."""
        self._group.append(document)
        if sum(len(each.chunks) for each in self._group) >= GROUP_CHUNKS:
            await self.flush(tasks)

    async def flush(self, tasks: asyncio.TaskGroup) -> None:
        """Send off what has been collected."""
        if self._group:
            group, self._group = self._group, []
            await self._under_way.acquire()
            tasks.create_task(self._store(group))

    async def _store(self, group: list[Prepared]) -> None:
        try:
            chunks = [chunk for document in group for chunk in document.chunks]
            vectors = await self._embed(chunks)
            async with self._writing:
                await self._target.stage(self._tenant, chunks, vectors)
        finally:
            self._under_way.release()
        for document in group:
            self._on_step(document.name, 0)

    async def _embed(self, chunks: Sequence[Chunk]) -> list[Vector]:
        """One vector for each passage, in order."""
        texts = [embedding_text(chunk) for chunk in chunks]
        # Neighbours of like length: what embeds in batches pads them to the longest, and padding costs as much.
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        size = self._workers.slice_chunks
        slices = [order[begin : begin + size] for begin in range(0, len(order), size)]
        vectors: dict[int, Vector] = {}

        async def embed(some: list[int]) -> None:
            rows = await self._workers.embed([texts[at] for at in some])
            vectors.update(zip(some, rows, strict=True))
            self.embedded += len(some)
            self._on_step("", len(some))

        # The longest first: they decide when the group is done.
        await asyncio.gather(*map(embed, reversed(slices)))
        return [vectors[at] for at in range(len(texts))]
