"""A knowledge base as one Parquet file: from one store to another, or to keep.

One row a chunk, in the order of `VectorStore.export`; a vector is a list of float32, metadata is JSON. What is not in
it is made anew by the store that takes it: terms, ids, versions.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from app.errors import InvalidRequest
from app.retrieval.types import Chunk, Vector

ROWS = 1000  # in memory at once; a document with more chunks is taken whole
_KEY, _FORMAT = b"sextant", b"knowledge-base-1"
_TEXTS = ("tenant", "document", "text", "title", "heading", "content_hash")
_NUMBERS = ("ordinal", "start", "end", "page")

Pair = tuple[Chunk, Vector]


class Staging(Protocol):
    """The part of a `VectorStore`, or of a handle to one, that an import needs."""

    async def stage(self, tenant: str, chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> None: ...

    async def commit(self, tenant: str) -> None: ...

    async def discard(self, tenant: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Moved:
    """What a file got, or gave."""

    tenants: int
    documents: int
    chunks: int


async def write_snapshot(pairs: AsyncIterator[Pair], path: Path) -> Moved:
    """Write what `VectorStore.export` gives. The file is there whole or not at all."""
    _, pq = _arrow()
    documents: dict[tuple[str, str], int] = {}
    new = path.with_name(f"{path.name}.new")
    try:
        with pq.ParquetWriter(new, _schema(), compression="zstd") as writer:
            async for page in _pages(pairs):
                for chunk, _ in page:
                    key = (chunk.tenant, chunk.document)
                    documents[key] = documents.get(key, 0) + 1
                await asyncio.to_thread(writer.write_table, _table(page))
        await asyncio.to_thread(new.replace, path)
    finally:
        await asyncio.to_thread(new.unlink, missing_ok=True)
    return Moved(len({tenant for tenant, _ in documents}), len(documents), sum(documents.values()))


async def import_snapshot(path: Path, target: Staging, tenant: str | None = None) -> Moved:
    """Put a file's documents in the place of those of the same names, and leave others alone.

    `tenant`: take only this tenant's. A tenant's documents are all seen at once. An import that was cut off is made
    again from its beginning. What a run that was killed had staged is dropped. Raises InvalidRequest for a file that
    is no snapshot, OSError where there is none.
    """
    batches = _batches(path, tenant)
    before: str | None = None
    tenants, documents, chunks = 0, 0, 0
    while batch := await asyncio.to_thread(next, batches, None):
        current = batch[0][0].tenant
        if current != before:
            if before is not None:
                await target.commit(before)
            # The commit would publish what was staged before, too. Letting go of the tenant is part of it: `stage`
            # holds it anew, or is refused.
            await target.discard(current)
            before, tenants = current, tenants + 1
        await target.stage(current, [chunk for chunk, _ in batch], [vector for _, vector in batch])
        documents += len({chunk.document for chunk, _ in batch})
        chunks += len(batch)
    if before is not None:
        await target.commit(before)
    return Moved(tenants, documents, chunks)


def read_snapshot(path: Path) -> Iterator[Pair]:
    """All rows. Raises InvalidRequest for a file that is no snapshot, OSError where there is none."""
    pa, pq = _arrow()
    try:
        with pq.ParquetFile(path) as file:
            if (file.schema_arrow.metadata or {}).get(_KEY) != _FORMAT:
                raise InvalidRequest(f"{path.name} is no snapshot of a knowledge base of this release.")
            for batch in file.iter_batches(ROWS):
                yield from map(_pair, batch.to_pylist())
    except (pa.ArrowInvalid, KeyError, TypeError) as error:
        raise InvalidRequest(f"{path.name} is no snapshot of a knowledge base, or it is damaged.") from error


async def _pages(pairs: AsyncIterator[Pair]) -> AsyncIterator[list[Pair]]:
    page: list[Pair] = []
    async for pair in pairs:
        page.append(pair)
        if len(page) == ROWS:
            yield page
            page = []
    if page:
        yield page


def _batches(path: Path, tenant: str | None) -> Iterator[list[Pair]]:
    """Whole documents of one tenant, some `ROWS` chunks together."""
    wanted = (pair for pair in read_snapshot(path) if tenant is None or pair[0].tenant == tenant)
    for _, own in groupby(wanted, key=lambda pair: pair[0].tenant):
        batch: list[list[Pair]] = []
        for _, document in groupby(own, key=lambda pair: pair[0].document):
            batch.append(list(document))
            if sum(map(len, batch)) >= ROWS:
                yield list(chain.from_iterable(batch))
                batch = []
        if batch:
            yield list(chain.from_iterable(batch))


def _arrow() -> tuple[Any, Any]:
    """Imported here: it takes a while, and a search needs none of it."""
    import pyarrow.parquet  # type: ignore[import-untyped]  # it has no stubs

    return pyarrow, pyarrow.parquet


def _schema() -> Any:
    pa, _ = _arrow()
    columns = [
        *((name, pa.string()) for name in _TEXTS),
        *((name, pa.int64()) for name in _NUMBERS),
        ("groups", pa.list_(pa.string())),
        ("metadata", pa.string()),
        ("vector", pa.list_(pa.float32())),
    ]
    return pa.schema(columns, metadata={_KEY: _FORMAT})


def _table(page: Sequence[Pair]) -> Any:
    pa, _ = _arrow()
    chunks = [chunk for chunk, _ in page]
    vectors = [np.asarray(vector, dtype=np.float32) for _, vector in page]
    ends = np.cumsum([0, *map(len, vectors)], dtype=np.int32)
    columns = [
        *(pa.array([getattr(chunk, name) for chunk in chunks], pa.string()) for name in _TEXTS),
        *(pa.array([getattr(chunk, name) for chunk in chunks], pa.int64()) for name in _NUMBERS),
        pa.array([list(chunk.groups) for chunk in chunks], pa.list_(pa.string())),
        pa.array([json.dumps(dict(chunk.metadata)) for chunk in chunks], pa.string()),
        pa.ListArray.from_arrays(ends, np.concatenate(vectors)),
    ]
    return pa.Table.from_arrays(columns, schema=_schema())


def _pair(row: dict[str, Any]) -> Pair:
    vector = np.array(row.pop("vector"), dtype=np.float32)
    return Chunk(**{**row, "groups": tuple(row["groups"]), "metadata": json.loads(row["metadata"])}), vector
