"""The knowledge base in Qdrant's engine, inside this process."""

import asyncio
import logging
import shutil
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qdrant_edge import (
    CountRequest,
    FacetRequest,
    Filter,
    IdfParams,
    Point,
    QuantizationSearchParams,
    Query,
    ScrollRequest,
    SearchParams,
    SearchRequest,
    SparseVector,
    UpdateOperation,
)

from app.config.places import hold
from app.retrieval.conditions import (
    DOCUMENT,
    NUMBERS,
    SINCE,
    UNTIL,
    AllOf,
    AnyOf,
    Condition,
    Has,
    Within,
    from_where,
    of_tenant,
    readable,
    visible,
    without_unknown,
)
from app.retrieval.edge_filters import to_filter, to_scan_filter
from app.retrieval.edge_shard import index_numbers, open_shard, read_ahead
from app.retrieval.points import (
    DENSE,
    FORMAT,
    MAX_NUMBER_FIELDS,
    SPARSE,
    NewPoint,
    PointId,
    Read,
    Stored,
    best_of,
    merge,
    number_fields,
    passage_of,
)
from app.retrieval.term_counts import NO_CORPUS, TermCounts
from app.retrieval.types import Candidate, Reader, Terms, Vector, Where
from app.retrieval.version_file import TenantVersion, VersionFile
from app.retrieval.versioned import VersionedStore

logger = logging.getLogger(__name__)

SCROLL_PAGE = 500
# The engine holds the interpreter's lock as long as a call takes, so a write is cut into calls of a few milliseconds.
UPSERT_BATCH = 100
TIDY_EVERY = 1000  # points written; one call of `optimize` in five has something to do then
FLUSH_EVERY = 10_000  # points written; what was written since then is in the engine's log
# Points of each segment that are scored again with whole vectors: so many at least, and for each one asked for.
MIN_RESCORED, MIN_OVERSAMPLING = 20, 1.2
PASSAGES_KEPT = 4096  # that were found lately, 20 MB: to read one again takes 50 microseconds, 1.5 ms of a search


class EmbeddedStore(VersionedStore):
    """`VectorStore` on disk at `directory`, for one process at a time.

    There is no graph (HNSW). An exact scan over vectors of 4 bits a dimension (TurboQuant), the best of which are
    scored again with the vectors themselves, misses next to nothing, and needs no minutes of building, in which the
    process would stand still. It takes three quarters of what int8 takes. (One bit takes half, and finds 77% of the 10
    nearest in a tenant of 1,000 chunks.)

    Searches run where they are called, for the engine never lets go of the interpreter's lock; writes go to a thread in
    small parts, with searches between them. While something of a tenant is staged its searches take twice as long: the
    version of each point must be looked at then.
    """

    def __init__(self, directory: Path, dimensions: int) -> None:
        """Open, or make, the store. Raises RuntimeError when another process has it open, or it cannot be read.

        What an older release has made, or one for vectors of another size, is removed: ingestion fills it anew.
        """
        super().__init__(dimensions)
        self._guard_file = hold(directory, "the knowledge base")
        self._versions = VersionFile(directory / "versions.json", {"format": FORMAT, "dimensions": dimensions})
        shard = directory / "shard"
        if shard.exists() and not self._versions.fits:
            logger.warning("the knowledge base in %s is of another release and begins empty; ingest anew", directory)
            shutil.rmtree(shard)
        self._shard = open_shard(shard, dimensions)
        read_ahead(shard)
        self._term_counts = TermCounts(self._shard)
        self._recover()
        self._numbers = {key for key in self._shard.info().payload_schema if key.startswith(f"{NUMBERS}.")}
        self._passages: OrderedDict[PointId, Read] = OrderedDict()
        self._writing = asyncio.Lock()
        self._written = 0

    async def search(
        self,
        reader: Reader,
        vector: Vector | None,
        terms: Terms | None,
        limit: int,
        where: Where | None = None,
        keep: int | None = None,
    ) -> list[Candidate]:
        """See `VectorStore.search`."""
        version = self._versions[reader.tenant]
        if version.number == 0 or limit < 1:
            return []
        # Where nothing is staged all points are seen, and to look at each one's version would be in vain.
        seen = (visible(version.number),) if version.has_begun else ()
        asked_for = () if where is None else (self._known(from_where(where)),)
        wanted = AllOf((readable(reader), *seen, *asked_for))
        cosines: dict[PointId, float] = {}
        bm25s: dict[PointId, float] = {}
        if vector is not None:
            oversampling = max(MIN_OVERSAMPLING, MIN_RESCORED / limit)
            scan = SearchParams(quantization=QuantizationSearchParams(rescore=True, oversampling=oversampling))
            cosines = self._nearest(Query.Nearest(vector.tolist(), using=DENSE), limit, to_scan_filter(wanted), scan)
        if terms is not None and terms.indices:
            # How rare a term is in the tenant's texts: no other tenant's show in the scores.
            weights = self._term_counts.weights(reader.tenant, version.number, terms)
            corpus = NO_CORPUS if weights else to_filter(of_tenant(reader.tenant, *seen))
            asked = SparseVector(indices=list(terms.indices), values=weights or list(terms.values))
            params = SearchParams(idf=IdfParams(corpus=corpus))
            bm25s = self._nearest(Query.Nearest(asked, using=SPARSE), limit, to_filter(wanted), params)
        ids = best_of((cosines, bm25s), keep)
        return merge(reader, self._read(ids), cosines, bm25s)

    async def idle(self) -> None:
        """Wait for what is done beside searches."""
        await self._term_counts.done()

    async def close(self) -> None:
        """See `VectorStore.close`."""
        await self._term_counts.close()
        async with self._writing:
            self._write_versions()
            self._shard.close()
            self._guard_file.close()

    def _nearest(self, query: Query, limit: int, wanted: Filter, params: SearchParams) -> dict[PointId, float]:
        request = SearchRequest(query=query, limit=limit, filter=wanted, params=params)
        return {point.id: point.score for point in self._shard.search(request)}

    def _read(self, ids: Sequence[PointId]) -> list[tuple[PointId, Read]]:
        """Passages by id, as far as they are there."""
        missing: list[Any] = [id for id in ids if id not in self._passages]
        if missing:
            records = self._shard.retrieve(missing, with_payload=True, with_vector=[DENSE, SPARSE])
            self._passages.update((record.id, passage_of(_stored(record))) for record in records)
        found = [id for id in ids if id in self._passages]
        for id in found:
            self._passages.move_to_end(id)
        passages = [(id, self._passages[id]) for id in found]
        while len(self._passages) > PASSAGES_KEPT:
            self._passages.popitem(last=False)
        return passages

    def _known(self, condition: Condition) -> Condition:
        is_complete = len(self._numbers) < MAX_NUMBER_FIELDS
        return without_unknown(condition, self._numbers) if is_complete else condition

    async def _version(self, tenant: str) -> int:
        return self._versions[tenant].number

    async def _begin(self, tenant: str) -> None:
        if not self._versions[tenant].has_begun:
            await self._set_version(tenant, self._versions[tenant].number)

    async def _has_begun(self, tenant: str) -> bool:
        return self._versions[tenant].has_begun

    async def _set_version(self, tenant: str, version: int) -> None:
        async with self._writing:
            await asyncio.to_thread(self._write_versions, {tenant: TenantVersion(version, has_begun=True)})
        self._passages.clear()

    def _write_versions(self, changed: Mapping[str, TenantVersion] | None = None) -> None:
        self._shard.flush()  # first: what the file says of the points must be so
        self._versions.write(changed)

    async def _finish(self, tenant: str) -> None:
        async with self._writing:
            await asyncio.to_thread(self._shard.optimize)
            self._versions.settle([tenant])

    async def _deleted(self) -> None:
        self._term_counts.forget()
        self._passages.clear()
        async with self._writing:
            await asyncio.to_thread(self._tidy)

    def _tidy(self) -> None:
        self._shard.optimize()
        self._shard.flush()

    def _recover(self) -> None:
        """After a crash: delete what nobody sees, and find out for whom something is staged."""
        settled = []
        for tenant in self._versions.tenants():
            version = self._versions[tenant]
            if version.has_begun:
                gone = of_tenant(tenant, Within(UNTIL, lte=version.number))
                self._shard.update(UpdateOperation.delete_points_by_filter(to_filter(gone)))
                staged = AnyOf((Within(SINCE, gt=version.number), Has(UNTIL, (version.number + 1,))))
                if self._shard.count(CountRequest(filter=to_filter(of_tenant(tenant, staged)))) == 0:
                    settled.append(tenant)
        if settled or not self._versions.fits:
            self._versions.settle(settled)
            self._write_versions()

    async def _tenants(self) -> list[str]:
        return [tenant for tenant in self._versions.tenants() if self._versions[tenant].number > 0]

    async def _upsert(self, points: Sequence[NewPoint]) -> None:
        for field in sorted(number_fields(points) - self._numbers)[: max(0, MAX_NUMBER_FIELDS - len(self._numbers))]:
            async with self._writing:
                await asyncio.to_thread(index_numbers, self._shard, field)
                self._numbers.add(field)
        for start in range(0, len(points), UPSERT_BATCH):
            async with self._writing:
                await asyncio.to_thread(self._write, points[start : start + UPSERT_BATCH])

    def _write(self, points: Sequence[NewPoint]) -> None:
        self._shard.update(UpdateOperation.upsert_points([_to_point(point) for point in points]))
        before, self._written = self._written, self._written + len(points)
        if before // TIDY_EVERY != self._written // TIDY_EVERY:
            self._shard.optimize()
        if before // FLUSH_EVERY != self._written // FLUSH_EVERY:
            self._shard.flush()

    async def _delete(self, wanted: Condition) -> None:
        await self._update(UpdateOperation.delete_points_by_filter(to_filter(wanted)))

    async def _set_until(self, wanted: Condition, until: int) -> None:
        await self._update(UpdateOperation.set_payload_by_filter(to_filter(wanted), {UNTIL: until}))

    async def _update(self, operation: UpdateOperation) -> None:
        async with self._writing:
            await asyncio.to_thread(self._shard.update, operation)

    async def _count_by_document(self, wanted: Condition) -> Mapping[str, int]:
        chosen = to_filter(wanted)
        room = max(1, self._shard.count(CountRequest(filter=chosen)))
        request = FacetRequest(DOCUMENT, limit=room, exact=True, filter=chosen)
        return {str(hit.value): hit.count for hit in await asyncio.to_thread(self._shard.facet, request)}

    async def _scroll(
        self, wanted: Condition, fields: Sequence[str] | None, has_vectors: bool = False
    ) -> AsyncIterator[Stored]:
        offset: Any = None
        while True:
            request = ScrollRequest(
                offset=offset,
                limit=SCROLL_PAGE,
                filter=to_filter(wanted),
                with_payload=True if fields is None else list(fields),
                with_vector=[DENSE] if has_vectors else False,
            )
            records, offset = await asyncio.to_thread(self._shard.scroll, request)
            for record in records:
                yield _stored(record)
            if offset is None:
                return


def _to_point(point: NewPoint) -> Point:
    terms = SparseVector(indices=list(point.terms.indices), values=list(point.terms.values))
    return Point(id=point.id, vector={DENSE: point.vector.tolist(), SPARSE: terms}, payload=point.payload)


def _stored(record: Any) -> Stored:  # a Record or a ScoredPoint of the engine
    vectors = record.vector or {}
    return Stored(record.id, record.payload or {}, vectors.get(DENSE), vectors.get(SPARSE))
