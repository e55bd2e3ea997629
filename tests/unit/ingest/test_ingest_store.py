"""A run into the embedded engine itself: cut off, taken up again, and the same as one that was not."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.errors import Unavailable
from app.ingest.attributes import SOURCE, Attributes
from app.ingest.discover import discover
from app.ingest.ingest import Options, Report, ingest
from app.ingest.workers import LocalWorkers
from app.retrieval.embedded_store import EmbeddedStore
from app.retrieval.types import Chunk, Reader, Vector
from tests.unit.ingest.targets import LengthEmbedder

DIMENSIONS = 8
COUNT = 300  # two groups


class HashEmbedder(LengthEmbedder):
    """Unit vectors that depend on nothing but the text."""

    def embed(self, texts: Sequence[str], batch_size: int = 1) -> NDArray[np.float32]:
        super().embed(texts, batch_size)
        rows = np.stack([np.random.default_rng(list(text.encode())).normal(size=DIMENSIONS) for text in texts])
        unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit


class Mortal(EmbeddedStore):
    """Dies at the second group."""

    groups = 0

    async def stage(self, tenant: str, chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> None:
        self.groups += 1
        if self.groups == 2:
            raise Unavailable("killed")
        await super().stage(tenant, chunks, vectors)


class Uncommitted(EmbeddedStore):
    """Dies when all is staged."""

    async def commit(self, tenant: str) -> None:
        raise Unavailable("killed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    for number in range(COUNT):
        (tmp_path / f"docs/{number:04}.txt").write_text(f"Document number {number} of the archive.")
    (tmp_path / "docs/records.jsonl").write_text('{"id": "r1", "text": "A record.", "groups": ["hr"], "year": 2026}\n')
    return tmp_path


async def run(folder: Path, store: EmbeddedStore, embedder: HashEmbedder | None = None) -> Report:
    workers = LocalWorkers(embedder or HashEmbedder(), 2)
    try:
        options = Options("t", "m", Attributes(("staff",), {"site": "Bern"}))
        return await ingest(discover(["docs"], folder), store, workers, options)
    finally:
        workers.close()


async def everything(store: EmbeddedStore) -> dict[tuple[str, int], tuple[Chunk, tuple[float, ...]]]:
    found = {(c.document, c.ordinal): (c, tuple(v.tolist())) async for c, v in store.export("t")}
    await store.close()
    return found


async def test_a_run_that_was_cut_off_ends_identical(folder: Path, tmp_path: Path) -> None:
    whole = EmbeddedStore(tmp_path / "whole", DIMENSIONS)
    report = await run(folder, whole)
    assert len(report.new) == COUNT + 1

    mortal = Mortal(tmp_path / "store", DIMENSIONS)
    with pytest.raises(Unavailable, match="killed"):
        await run(folder, mortal)
    assert (await mortal.describe("t")).documents == 0
    await mortal.close()

    store, embedder = EmbeddedStore(tmp_path / "store", DIMENSIONS), HashEmbedder()
    report = await run(folder, store, embedder)
    assert report.resumed > 0
    assert len(embedder.texts) == COUNT + 1 - report.resumed
    assert (await run(folder, store)).chunks == 0
    assert await everything(store) == await everything(whole)


async def test_a_staged_change_of_what_cannot_be_read_any_more_is_not_committed(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    path, other = tmp_path / "docs/a.md", tmp_path / "docs/b.md"
    path.write_text("---\ngroups: [hr]\n---\nSalaries.\n")
    other.write_text("Menu.\n")
    store = EmbeddedStore(tmp_path / "store", DIMENSIONS)
    await run(tmp_path, store)
    await store.close()

    path.write_text("Salaries for all of the staff.\n")
    other.write_text("Another menu.\n")
    killed = Uncommitted(tmp_path / "store", DIMENSIONS)
    with pytest.raises(Unavailable, match="killed"):
        await run(tmp_path, killed)
    assert set(await killed.staged("t")) == {"docs/a.md", "docs/b.md"}
    await killed.close()

    path.write_bytes(b"\0\1\2")
    store = EmbeddedStore(tmp_path / "store", DIMENSIONS)
    report = await run(tmp_path, store)
    assert ([each.name for each in report.skipped], report.changed) == (["docs/a.md"], ("docs/b.md",))
    assert await store.around(Reader("t", ("staff",)), "docs/a.md", 0, 0) == []
    (kept,) = await store.around(Reader("t", ("hr",)), "docs/a.md", 0, 0)
    assert (kept.text, await store.staged("t")) == ("Salaries.", {})
    await store.close()


async def test_groups_and_metadata_reach_the_store(folder: Path, tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store", DIMENSIONS)
    await run(folder, store)
    (record,) = await store.around(Reader("t", ("hr",)), "r1", 0, 0)
    assert record.metadata == {"year": 2026, "site": "Bern", SOURCE: "docs/records.jsonl"}
    assert await store.around(Reader("t", ("staff",)), "r1", 0, 0) == []
    assert len(await store.around(Reader("t", ("staff",)), "docs/0001.txt", 0, 0)) == 1
    await store.close()
