"""The index in Qdrant's engine, inside this process."""

import logging
import shutil
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qdrant_edge import (
    Distance,
    EdgeConfig,
    EdgeOptimizersConfig,
    EdgeShard,
    EdgeVectorParams,
    FieldCondition,
    Filter,
    HnswIndexConfig,
    IntegerIndexParams,
    KeywordIndexParams,
    MatchValue,
    Point,
    Query,
    RangeFloat,
    ScalarQuantizationConfig,
    ScalarType,
    ScrollRequest,
    SearchRequest,
    UpdateOperation,
)

from app.cache.semantic.points import (
    EXPIRES,
    MADE,
    OBSERVATIONS,
    PLACE,
    TENANT,
    from_payload,
    observed,
    place_of,
    to_payload,
)
from app.cache.semantic.types import Indexed, Observation
from app.clock import now_ms as clock_ms
from app.config.places import hold
from app.retrieval.types import Vector

logger = logging.getLogger(__name__)

SCROLL_PAGE = 5000
# About 5,000 vectors: the engine holds the interpreter's lock while it quantises one, for up to 0.2 s.
SEGMENT_KB = 8000
SEGMENTS = 64
TIDY_EVERY = 1000  # writes
FLUSH_S = 30.0  # what was written since then is in the engine's log
SWEEP_S = 60.0


class EdgeIndex:
    """`SemanticIndex` on disk at `directory`, for one process at a time, with `max_entries` points at most.

    All calls run where they are made: the engine never lets go of the interpreter's lock, so a thread would gain
    nothing. A write takes well under a millisecond. There is no graph (HNSW): an exact scan over int8 vectors takes
    2 ms for 100,000 points of one scope, misses nothing, and needs no minutes of building; where each customer or
    prompt has a scope of its own it takes 0.2 ms.
    """

    def __init__(self, directory: Path, dimensions: int, max_entries: int) -> None:
        """Open, or make, the index. Raises RuntimeError when another process has it open."""
        self._guard_file = hold(directory, "the semantic cache")
        self._max_entries = max_entries
        self.dropped = 0
        self._shard = _open(directory / "shard", dimensions)
        self._unread: list[str] = []
        self._has_expired = False  # whether the last search met such a point
        # Id -> when it expires; the least recently used first. After a start, age stands in for use.
        self._used: OrderedDict[str, int] = OrderedDict(self._stored())
        self._writes = 0
        self._flushed_s = self._swept_s = time.monotonic()
        self._forget_unread()
        self._evict()

    async def put(self, point: Indexed, vector: Vector) -> None:
        """See `SemanticIndex.put`."""
        stored = Point(id=point.id, vector=vector.tolist(), payload=to_payload(point))
        self._shard.update(UpdateOperation.upsert_points([stored]))
        self._used[point.id] = point.expires_ms
        self._used.move_to_end(point.id)
        self._evict()
        self._tidy()

    async def search(
        self, tenant: str, scope: str, vector: Vector, limit: int, now_ms: int
    ) -> list[tuple[Indexed, float]]:
        """See `SemanticIndex.search`."""
        here = [_is(PLACE, place_of(tenant, scope))]
        found = self._search(vector, limit, here, now_ms)
        if len(found) < limit and self._has_expired:
            # What has expired and is not swept yet has taken the places of others.
            found = self._search(
                vector, limit, [*here, FieldCondition(key=EXPIRES, range=RangeFloat(gt=now_ms))], now_ms
            )
        return [(point, score) for point, score in found if point.tenant == tenant and point.scope == scope]

    async def get(self, id: str) -> Indexed | None:
        """See `SemanticIndex.get`."""
        for record in self._shard.retrieve([id], with_payload=True, with_vector=False):
            point = self._read(id, record.payload)
            self._forget_unread()
            return point
        return None

    async def set_observations(self, id: str, observations: Sequence[Observation]) -> None:
        """See `SemanticIndex.set_observations`."""
        if id in self._used:
            self._shard.update(UpdateOperation.set_payload([id], {OBSERVATIONS: observed(observations)}))
            self._tidy()

    async def delete(self, ids: Sequence[str]) -> None:
        """See `SemanticIndex.delete`."""
        self._delete([id for id in ids if id in self._used])

    async def purge(self, tenant: str | None) -> int:
        """See `SemanticIndex.purge`."""
        theirs = None if tenant is None else Filter(must=[_is(TENANT, tenant)])
        ids = list(self._used) if theirs is None else [id for id, _ in self._scroll([], theirs)]
        self._delete(ids)
        self._shard.flush()
        return len(ids)

    async def count(self) -> int:
        """See `SemanticIndex.count`."""
        return len(self._used)

    async def close(self) -> None:
        """See `SemanticIndex.close`."""
        self._shard.flush()
        self._shard.close()
        self._guard_file.close()

    def used(self, id: str) -> None:
        """See `SemanticIndex.used`."""
        if id in self._used:
            self._used.move_to_end(id)

    def _search(
        self, vector: Vector, limit: int, conditions: list[FieldCondition], now_ms: int
    ) -> list[tuple[Indexed, float]]:
        request = SearchRequest(
            query=Query.Nearest(vector.tolist()), limit=limit, filter=Filter(must=list(conditions)), with_payload=True
        )
        read = [(self._read(str(point.id), point.payload), point.score) for point in self._shard.search(request)]
        self._forget_unread()
        alive = [(point, score) for point, score in read if point is not None and point.expires_ms > now_ms]
        self._has_expired = len(alive) < len(read)
        return alive

    def _read(self, id: str, payload: dict[str, Any] | None) -> Indexed | None:
        try:
            return from_payload(id, payload)
        except ValueError:
            self._unread.append(id)
            return None

    def _forget_unread(self) -> None:
        if self._unread:
            logger.warning("dropped %d unreadable points of the semantic cache", len(self._unread))
            self.dropped += len(self._unread)
            self._delete(self._unread)
            self._unread = []

    def _evict(self) -> None:
        excess = len(self._used) - self._max_entries
        if excess > 0:
            self._delete([id for id, _ in zip(self._used, range(excess), strict=False)])

    def _tidy(self) -> None:
        """Sweep what has expired, quantise what is new, flush; each in its time."""
        self._writes += 1
        now_s = time.monotonic()
        if now_s - self._swept_s >= SWEEP_S:
            self._swept_s, now = now_s, clock_ms()
            self._delete([id for id, expires in self._used.items() if expires <= now])
        if self._writes % TIDY_EVERY == 0:
            self._shard.optimize()
        if now_s - self._flushed_s >= FLUSH_S:
            self._flushed_s = now_s
            self._shard.flush()

    def _delete(self, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), SCROLL_PAGE):
            self._shard.update(UpdateOperation.delete_points(list(ids[start : start + SCROLL_PAGE])))
        for id in ids:
            self._used.pop(id, None)

    def _stored(self) -> list[tuple[str, int]]:
        """Ids and ends of what is on disk, the oldest first; notes what cannot be read."""
        stored = []
        for id, payload in self._scroll([MADE, EXPIRES], None):
            match payload:
                case {"made_ms": int(made), "expires_ms": int(expires)}:
                    stored.append((made, id, expires))
                case _:
                    self._unread.append(id)
        return [(id, expires) for _, id, expires in sorted(stored)]

    def _scroll(self, fields: list[str], chosen: Filter | None) -> list[tuple[str, dict[str, Any]]]:
        rows: list[tuple[str, dict[str, Any]]] = []
        offset = None
        while True:
            records, offset = self._shard.scroll(
                ScrollRequest(
                    offset=offset, limit=SCROLL_PAGE, filter=chosen, with_payload=fields or False, with_vector=False
                )
            )
            rows += [(str(record.id), record.payload or {}) for record in records]
            if offset is None:
                return rows


def _open(shard: Path, dimensions: int) -> EdgeShard:
    config = EdgeConfig(
        vectors=EdgeVectorParams(size=dimensions, distance=Distance.Cosine),
        quantization_config=ScalarQuantizationConfig(type=ScalarType.Int8, always_ram=True),
        hnsw_config=HnswIndexConfig(m=0, ef_construct=16, full_scan_threshold=10_000),
        optimizers=EdgeOptimizersConfig(
            default_segment_number=SEGMENTS, max_segment_size=SEGMENT_KB, indexing_threshold=SEGMENT_KB
        ),
    )
    if shard.is_dir() and any(shard.iterdir()):
        try:
            return EdgeShard.load(str(shard), config)
        except Exception as error:  # the engine raises nothing more special
            # It is a cache: without it everything is only answered anew.
            logger.error("the semantic cache in %s cannot be read (%s) and begins anew", shard, type(error).__name__)
            shutil.rmtree(shard)
    made = EdgeShard.create(str(shard), config)
    made.update(UpdateOperation.create_field_index(PLACE, KeywordIndexParams(is_tenant=True)))
    made.update(UpdateOperation.create_field_index(TENANT, KeywordIndexParams()))
    made.update(UpdateOperation.create_field_index(EXPIRES, IntegerIndexParams(lookup=False, range=True)))
    return made


def _is(field: str, value: str) -> FieldCondition:
    return FieldCondition(key=field, match=MatchValue(value=value))
