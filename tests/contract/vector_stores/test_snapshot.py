"""From one store to another, through a file."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient

from app.errors import Conflict, InvalidRequest
from app.retrieval.embedded_store import EmbeddedStore
from app.retrieval.knowledge import Knowledge, run_key
from app.retrieval.server_store import ServerStore
from app.retrieval.snapshot import Moved, _arrow, import_snapshot, read_snapshot, write_snapshot
from app.retrieval.types import Chunk, Reader, Vector, VectorStore
from tests.contract.vector_stores.making import ACME, DIMENSIONS, chunk, chunks, names, put, saying, stage, vector
from tests.unit.cache.dict_store import DictStore


@pytest.fixture(params=["embedded", "client"])
async def other(request: pytest.FixtureRequest, directory: Path) -> AsyncIterator[VectorStore]:
    """Where an import goes."""
    made: VectorStore
    with tempfile.TemporaryDirectory(dir=directory.parent) as beside:
        if request.param == "embedded":
            made = EmbeddedStore(Path(beside), DIMENSIONS)
        else:
            made = ServerStore(AsyncQdrantClient(location=":memory:"), "other", DIMENSIONS)
        yield made
        await made.close()


async def assert_same(one: VectorStore, other: VectorStore) -> None:
    """All that they give out; a store may norm a vector once more."""
    ours, theirs = [[pair async for pair in store.export(None)] for store in (one, other)]
    assert [each for each, _ in ours] == [each for each, _ in theirs]
    assert np.allclose([v for _, v in ours], [v for _, v in theirs], atol=1e-6)


def files(directory: Path) -> list[Path]:
    return list(directory.iterdir())


async def fill(store: VectorStore) -> None:
    odd = chunk(
        "odd.md", text='ключ "x"\n\0', groups=("hr", ""), metadata={"year": 2024, "ratio": 0.5, "ok": True, "s": ""}
    )
    nowhere = Chunk("plain.md", "acme", 0, "", 0, 0)
    await put(store, *chunks("long.md", 130), *chunks("b.md", 3), odd, nowhere, *chunks("a.md", 2, tenant="rival"))


async def test_all_of_it_goes_through_a_file_into_another_store(
    store: VectorStore, other: VectorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.retrieval.snapshot.ROWS", 50)
    await fill(store)
    await stage(store, chunks("staged.md", 2))
    file = tmp_path / "kb.parquet"
    assert await write_snapshot(store.export(None), file) == Moved(tenants=2, documents=5, chunks=137)
    await put(other, *chunks("own.md", 1), *chunks("b.md", 9, content_hash="old"))
    assert await import_snapshot(file, other) == Moved(tenants=2, documents=5, chunks=137)
    await other.delete("acme", ["own.md"])
    await assert_same(store, other)
    for tenant in ("acme", "rival"):
        assert await other.describe(tenant) == await store.describe(tenant)
    assert [c.chunk.document for c in await saying(other, "ключ", Reader("acme", ("hr",)))] == ["odd.md"]
    assert await names(other, words="ключ") == []
    assert files(tmp_path) == [file]
    # Once more changes nothing.
    await import_snapshot(file, other)
    await assert_same(store, other)


async def test_what_a_killed_run_had_staged_is_not_published(
    store: VectorStore, other: VectorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.retrieval.snapshot.ROWS", 50)
    await fill(store)
    await write_snapshot(store.export(None), tmp_path / "kb.parquet")
    await put(other, *chunks("own.md", 2), *chunks("b.md", 1, content_hash="old"))
    await stage(other, chunks("half.md", 2))
    await stage(other, chunks("half.md", 2, tenant="rival"))
    await stage(other, chunks("half.md", 2, tenant="third"))
    await other.stage_removal("acme", ["own.md", "b.md"])
    await import_snapshot(tmp_path / "kb.parquet", other)
    found = {tenant: [each.name for each in await other.documents(tenant)] for tenant in ("acme", "rival")}
    assert found == {"acme": ["b.md", "long.md", "odd.md", "own.md", "plain.md"], "rival": ["a.md"]}
    assert await other.staged("acme") == await other.staged("rival") == {}
    assert await other.staged("third") == {"half.md": "v1"}


@dataclass
class Run:
    """A run that gives its name, as jobs do. `holders`: who held the tenant after each step."""

    knowledge: Knowledge
    shared: DictStore
    holders: list[tuple[str, bytes | None]] = field(default_factory=list)

    async def stage(self, tenant: str, chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> None:
        await self._note("stage", self.knowledge.stage(tenant, chunks, vectors, "import"))

    async def commit(self, tenant: str) -> None:
        await self._note("commit", self.knowledge.commit(tenant, "import"))

    async def discard(self, tenant: str) -> None:
        await self._note("discard", self.knowledge.discard(tenant, "import"))

    async def _note(self, step: str, work: Awaitable[None]) -> None:
        await work
        self.holders.append((step, await self.shared.get(run_key("kb", "acme"))))


async def test_an_import_holds_the_tenant_and_leaves_a_living_run_alone(
    store: VectorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.retrieval.snapshot.ROWS", 2)
    await put(store, *chunks("a.md", 2), *chunks("b.md", 2))
    await write_snapshot(store.export(None), tmp_path / "kb.parquet")
    shared = DictStore()
    knowledge = Knowledge(store, shared, "kb")
    await knowledge.stage("acme", chunks("c.md", 1), [vector(0)], "ingestion")
    run = Run(knowledge, shared)
    with pytest.raises(Conflict, match="Another run"):
        await import_snapshot(tmp_path / "kb.parquet", run)
    assert await knowledge.staged("acme") == {"c.md": "v1"}
    await knowledge.discard("acme", "ingestion")
    await import_snapshot(tmp_path / "kb.parquet", run)
    assert run.holders == [("discard", None), ("stage", b"import"), ("stage", b"import"), ("commit", None)]


async def test_one_tenant_is_given_out_or_taken_alone(store: VectorStore, other: VectorStore, tmp_path: Path) -> None:
    await fill(store)
    await write_snapshot(store.export("rival"), tmp_path / "rival.parquet")
    assert {each.tenant for each, _ in read_snapshot(tmp_path / "rival.parquet")} == {"rival"}
    await write_snapshot(store.export(None), tmp_path / "all.parquet")
    assert await import_snapshot(tmp_path / "all.parquet", other, "rival") == Moved(1, 1, 2)
    assert await names(other) == []
    assert await names(other, Reader("rival")) == ["a.md"]


async def test_an_export_that_breaks_off_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[tuple[Chunk, Vector]]:
        yield chunk("a.md"), vector(0)
        raise RuntimeError("broken")

    file = tmp_path / "kb.parquet"
    file.write_bytes(b"before")
    with pytest.raises(RuntimeError, match="broken"):
        await write_snapshot(broken(), file)
    assert file.read_bytes() == b"before"
    assert files(tmp_path) == [file]


async def test_an_empty_knowledge_base_is_a_file_too(store: VectorStore, tmp_path: Path) -> None:
    assert await write_snapshot(store.export(None), tmp_path / "kb.parquet") == Moved(0, 0, 0)
    assert await import_snapshot(tmp_path / "kb.parquet", store) == Moved(0, 0, 0)


async def test_what_is_no_snapshot_is_refused(store: VectorStore, tmp_path: Path) -> None:
    pa, pq = _arrow()
    (tmp_path / "text").write_text("no parquet")
    pq.write_table(pa.table({"text": ["x"]}), tmp_path / "other")
    await put(store, *chunks("a.md", 2))
    await write_snapshot(store.export(None), tmp_path / "cut")
    whole = (tmp_path / "cut").read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    pq.write_table(
        pq.read_table(tmp_path / "other").replace_schema_metadata({b"sextant": b"knowledge-base-1"}), tmp_path / "odd"
    )
    for name in ("text", "other", "cut", "odd"):
        with pytest.raises(InvalidRequest, match="no snapshot"):
            await import_snapshot(tmp_path / name, store)
    with pytest.raises(OSError, match="No such file"):
        await import_snapshot(tmp_path / "nothing", store)
    assert await names(store, ACME) == ["a.md"]


def test_vectors_keep_every_bit(tmp_path: Path) -> None:
    exact = np.array([1 / 3, 2**-20, 1e-30, -0.0], dtype=np.float32)

    async def one() -> AsyncIterator[tuple[Chunk, Vector]]:
        yield chunk("a.md"), exact

    asyncio.run(write_snapshot(one(), tmp_path / "kb"))
    [(_, read)] = read_snapshot(tmp_path / "kb")
    assert read.tobytes() == exact.tobytes()
