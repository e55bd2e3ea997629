"""How rare each term is among a tenant's chunks, counted once for each version of its knowledge base.

The engine counts the terms of a question anew for each search, which is half of a search by terms: 0.7 ms among 70,000
chunks, and more while something is staged. Here a large tenant's chunks are counted beside what runs; until that is
done, and for small tenants, the engine does it. Both give the same scores.
"""

import asyncio
import logging
import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qdrant_edge import CountRequest, EdgeShard, ScrollRequest

from app.retrieval.conditions import NOTHING, of_tenant, visible
from app.retrieval.edge_filters import to_filter
from app.retrieval.points import SPARSE
from app.retrieval.types import Terms

logger = logging.getLogger(__name__)

# Of a corpus without chunks the engine says of every term that it is this rare: ln((0 - 0 + 0.5) / (0 + 0.5) + 1).
IDF_OF_NOTHING = math.log(2)
NO_CORPUS = to_filter(NOTHING)

PAGE = 100  # points; the engine holds the interpreter's lock for 2 ms then
MOST_TENANTS = 64  # 0.3 MB each, with a vocabulary of 33,000


@dataclass(frozen=True, slots=True)
class _Counted:
    """`terms`, ascending, and in how many of `chunks` each stands: shape (vocabulary,) both."""

    version: int
    chunks: int
    terms: NDArray[np.uint32]
    counts: NDArray[np.int64]

    def idf(self, terms: NDArray[np.uint32]) -> NDArray[np.float64]:
        """The engine's formula, which is that of BM25."""
        if not len(self.terms):
            return np.full(len(terms), IDF_OF_NOTHING)
        places = np.minimum(np.searchsorted(self.terms, terms), len(self.terms) - 1)
        found = np.where(self.terms[places] == terms, self.counts[places], 0)
        return np.log((self.chunks - found + 0.5) / (found + 0.5) + 1)


class TermCounts:
    """The counts of one shard. `least`: chunks of a tenant from which on it is worth it; `quiet_s`: how long after a
    version is first asked for it is counted, so that one of many commits in a row is."""

    def __init__(self, shard: EdgeShard, least: int = 5_000, quiet_s: float = 2.0) -> None:
        self._shard = shard
        self._least = least
        self._quiet_s = quiet_s
        self._counted: OrderedDict[str, _Counted] = OrderedDict()
        self._counting: dict[str, asyncio.Task[None]] = {}
        self._deletions = 0

    def weights(self, tenant: str, version: int, terms: Terms) -> list[float] | None:
        """The terms' weights with their inverse document frequencies in them, for a search with `NO_CORPUS`; None
        where they are not known (yet)."""
        counted = self._counted.get(tenant)
        if counted is None or counted.version != version:
            self._want(tenant, version)
            return None
        self._counted.move_to_end(tenant)
        idf = counted.idf(np.array(terms.indices, dtype=np.uint32))
        weights: list[float] = (np.array(terms.values) * idf / IDF_OF_NOTHING).tolist()
        return weights

    def forget(self) -> None:
        """Chunks have gone without a new version."""
        self._deletions += 1
        self._counted.clear()

    async def done(self) -> None:
        """Wait for what is being counted."""
        await asyncio.gather(*self._counting.values())

    async def close(self) -> None:
        """Stop counting."""
        tasks = list(self._counting.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _want(self, tenant: str, version: int) -> None:
        if tenant in self._counting:
            return
        there = CountRequest(filter=to_filter(of_tenant(tenant)), exact=False)
        if self._shard.count(there) >= self._least:
            self._counting[tenant] = asyncio.create_task(self._count(tenant, version))

    async def _count(self, tenant: str, version: int) -> None:
        try:
            await asyncio.sleep(self._quiet_s)
            deletions = self._deletions
            counted = await self._read(tenant, version)
            if self._deletions == deletions:
                self._counted[tenant] = counted
                while len(self._counted) > MOST_TENANTS:
                    self._counted.popitem(last=False)
        except Exception:
            logger.exception("counting the terms of a knowledge base failed; the engine counts for each search")
        finally:
            del self._counting[tenant]

    async def _read(self, tenant: str, version: int) -> _Counted:
        wanted = to_filter(of_tenant(tenant, visible(version)))
        found: list[NDArray[np.uint32]] = []
        chunks, offset = 0, None
        while True:
            began = time.monotonic()
            request = ScrollRequest(offset=offset, limit=PAGE, filter=wanted, with_payload=False, with_vector=[SPARSE])
            records, offset = await asyncio.to_thread(self._shard.scroll, request)
            chunks += len(records)
            found += [_indices(record) for record in records]
            if offset is None:
                break
            await asyncio.sleep(time.monotonic() - began)  # half of one core at the most
        if not found:
            return _Counted(version, 0, np.zeros(0, np.uint32), np.zeros(0, np.int64))
        terms, counts = await asyncio.to_thread(np.unique, np.concatenate(found), return_counts=True)
        return _Counted(version, chunks, terms, counts)


def _indices(record: Any) -> NDArray[np.uint32]:  # a Record of the engine
    vectors = record.vector
    return np.array(vectors[SPARSE].indices if vectors and SPARSE in vectors else (), dtype=np.uint32)
