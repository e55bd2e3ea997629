"""Documents in the order of their names, read and prepared a few batches ahead of who takes them."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping, Set
from dataclasses import dataclass

from app.ingest.discover import Skipped
from app.ingest.document import UnreadableDocument
from app.ingest.prepare import Order, Prepared, Recipe
from app.ingest.scan import Content, Found, Hasher, load
from app.ingest.signature import Signature
from app.ingest.signatures import SignatureMemory
from app.ingest.workers import Workers

# What one call prepares: some 30 ms of work, many times what the call itself costs.
_BATCH_BYTES = 256_000
_BATCH_DOCUMENTS = 200


@dataclass(frozen=True, slots=True)
class Known:
    """A document that need not be read: it is stored or staged as it is, and its signature is remembered."""

    name: str
    groups: tuple[str, ...]
    signature: Signature


Item = Prepared | Skipped | Known


class Flow:
    """Reads, and has the workers prepare."""

    def __init__(self, workers: Workers, recipe: Recipe, hasher: Hasher, memory: SignatureMemory) -> None:
        self._workers = workers
        self._recipe = recipe
        self._hasher = hasher
        self._memory = memory
        self._ahead = workers.slots + 1

    async def run(self, found: Mapping[str, Found], waiting: Set[str]) -> AsyncGenerator[Item, None]:
        """All of `found` in its order: those `waiting` with their passages, and of the others, where duplicates are
        looked for, what is needed to compare them."""
        under_way: deque[asyncio.Task[list[Item]]] = deque()
        try:
            for batch in self._batches(found, waiting):
                under_way.append(asyncio.create_task(self._prepare(batch, waiting)))
                if len(under_way) > self._ahead:
                    for item in await under_way.popleft():
                        yield item
            while under_way:
                for item in await under_way.popleft():
                    yield item
        finally:
            for task in under_way:
                task.cancel()

    def _batches(self, found: Mapping[str, Found], waiting: Set[str]) -> Iterator[list[Found | Known]]:
        batch: list[Found | Known] = []
        weight = 0
        for name, each in found.items():
            if name not in waiting:
                if not self._recipe.signs:
                    continue
                remembered = self._memory.recall(each.content_hash)
                if remembered is not None:
                    batch.append(Known(name, *remembered))
                    continue
            batch.append(each)
            weight += 1 + (each.size * _BATCH_DOCUMENTS) // _BATCH_BYTES
            if weight >= _BATCH_DOCUMENTS:
                yield batch
                batch, weight = [], 0
        if batch:
            yield batch

    async def _prepare(self, batch: list[Found | Known], waiting: Set[str]) -> list[Item]:
        loaded = await asyncio.to_thread(self._load, [each for each in batch if isinstance(each, Found)])
        orders = [Order(each, each.name in waiting) for each in loaded if isinstance(each, Content)]
        prepared = iter(await self._workers.prepare(orders, self._recipe) if orders else ())
        fresh = iter([each if isinstance(each, Skipped) else next(prepared) for each in loaded])
        return [each if isinstance(each, Known) else next(fresh) for each in batch]

    def _load(self, found: list[Found]) -> list[Content | Skipped]:
        loaded: list[Content | Skipped] = []
        for each in found:
            try:
                loaded.append(load(each, self._hasher, self._recipe.limits))
            except UnreadableDocument as error:
                loaded.append(Skipped(each.name, error.reason))
        return loaded
