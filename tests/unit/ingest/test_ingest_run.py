"""A whole run against a knowledge base in memory."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.errors import Unavailable
from app.ingest.chunk import embedding_text
from app.ingest.discover import Skipped, discover
from app.ingest.document import Limits
from app.ingest.ingest import BATCH_CHUNKS, Progress, Report, ingest
from app.retrieval.types import Chunk, KnowledgeBase, Vector


class MemoryStore:
    """Keeps chunks by tenant and document, and every call that changed something."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, tuple[list[Chunk], list[Vector]]]] = {}
        self.changes: list[tuple[str, ...]] = []
        self.fails_at = ""

    async def replace(self, tenant: str, document: str, chunks: list[Chunk], vectors: list[Vector]) -> None:
        if document == self.fails_at:
            raise Unavailable("The knowledge base is down.")
        self.changes.append(("replace", document))
        self.stored.setdefault(tenant, {})[document] = (chunks, vectors)

    async def delete(self, tenant: str, documents: list[str]) -> None:
        self.changes.append(("delete", *documents))
        for document in documents:
            self.stored[tenant].pop(document, None)

    async def describe(self, tenant: str) -> KnowledgeBase:
        documents = self.stored.get(tenant, {})
        return KnowledgeBase(
            version=str(len(self.changes)),
            documents=len(documents),
            chunks=sum(len(chunks) for chunks, _ in documents.values()),
            hashes={name: chunks[0].content_hash for name, (chunks, _) in documents.items()},
        )


class LengthEmbedder:
    """Gives each text a vector that tells it from others: its length and a checksum."""

    max_tokens = 256

    def __init__(self) -> None:
        self.batches: list[int] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.batches.append(len(texts))
        return np.asarray([vector_of(text) for text in texts], dtype=np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


def vector_of(text: str) -> tuple[int, int]:
    return len(text), sum(text.encode()) % 65_521


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("a", "b", "c"):
        (docs / f"{name}.md").write_text(f"# Title {name}\n\nWords of {name}.\n")
    return tmp_path


async def run(
    folder: Path,
    store: MemoryStore,
    *inputs: str,
    tenant: str = "t",
    model: str = "m",
    embedder: LengthEmbedder | None = None,
    prune: bool = True,
    limits: Limits | None = None,
    steps: list[Progress] | None = None,
) -> Report:
    return await ingest(
        discover(inputs or ["docs"], folder),
        tenant,
        store,
        embedder or LengthEmbedder(),
        model=model,
        prune=prune,
        limits=limits or Limits(),
        on_progress=(steps if steps is not None else []).append,
    )


async def test_documents_are_stored_with_a_vector_for_each_chunk(folder: Path) -> None:
    store = MemoryStore()
    (folder / "docs/long.txt").write_text("Some words here. " * 2000)
    report = await run(folder, store)
    assert report.new == ("docs/a.md", "docs/b.md", "docs/c.md", "docs/long.txt")
    assert report.chunks == report.knowledge_base.chunks > 20
    for name, (chunks, vectors) in store.stored["t"].items():
        assert all(chunk.document == name and chunk.tenant == "t" for chunk in chunks)
        expected = [vector_of(embedding_text(chunk)) for chunk in chunks]
        assert [tuple(vector) for vector in vectors] == expected


async def test_a_second_run_changes_nothing(folder: Path) -> None:
    store, embedder = MemoryStore(), LengthEmbedder()
    await run(folder, store)
    before = list(store.changes)
    report = await run(folder, store, embedder=embedder)
    assert report.unchanged == ("docs/a.md", "docs/b.md", "docs/c.md")
    assert (report.new, report.changed, report.deleted, report.chunks) == ((), (), (), 0)
    assert store.changes == before
    assert embedder.batches == []


async def test_only_what_changed_is_replaced_and_what_is_gone_deleted(folder: Path) -> None:
    store = MemoryStore()
    await run(folder, store)
    (folder / "docs/a.md").write_text("# Other\n\nwords\n")
    (folder / "docs/b.md").unlink()
    store.changes.clear()
    report = await run(folder, store)
    assert (report.changed, report.deleted, report.unchanged) == (("docs/a.md",), ("docs/b.md",), ("docs/c.md",))
    assert store.changes == [("replace", "docs/a.md"), ("delete", "docs/b.md")]


async def test_without_prune_what_is_gone_stays(folder: Path) -> None:
    store = MemoryStore()
    await run(folder, store)
    (folder / "docs/b.md").unlink()
    report = await run(folder, store, prune=False)
    assert report.deleted == ()
    assert "docs/b.md" in store.stored["t"]


async def test_ingesting_one_file_or_a_glob_leaves_its_neighbours(folder: Path) -> None:
    store = MemoryStore()
    await run(folder, store)
    assert (await run(folder, store, "docs/a.md")).deleted == ()
    assert (await run(folder, store, "docs/[ab].md")).deleted == ()


async def test_tenants_do_not_see_each_other(folder: Path) -> None:
    store = MemoryStore()
    await run(folder, store, tenant="one")
    report = await run(folder, store, "docs/a.md", tenant="two")
    assert report.new == ("docs/a.md",)
    assert len(store.stored["one"]) == 3


async def test_another_embedding_model_ingests_all_anew(folder: Path) -> None:
    store = MemoryStore()
    await run(folder, store)
    assert len((await run(folder, store, model="other")).changed) == 3


async def test_bad_files_are_reported_and_the_others_stored(folder: Path) -> None:
    store = MemoryStore()
    (folder / "docs/bad.pdf").write_bytes(b"no pdf")
    (folder / "docs/blank.txt").write_text("\n")
    (folder / "docs/huge.txt").write_text("x" * 2_000)
    (folder / "docs/many.txt").write_text("Some words here. " * 500)
    (folder / "docs/tool.py").write_text("pass")
    report = await run(folder, store, limits=Limits(max_bytes=10_000, max_chunks=5))
    assert report.new == ("docs/a.md", "docs/b.md", "docs/c.md", "docs/huge.txt")
    assert report.skipped == (
        Skipped("docs/bad.pdf", "not a PDF, whatever its suffix says"),
        Skipped("docs/blank.txt", "no text in it"),
        Skipped("docs/many.txt", "9 passages; at most 5 a document, so split it"),
        Skipped("docs/tool.py", "unsupported type .py"),
    )
    report = await run(folder, store, limits=Limits(max_bytes=1_000))
    assert Skipped("docs/huge.txt", "larger than 0.001 MB") in report.skipped


async def test_a_stored_document_that_becomes_unreadable_stays_as_it_was(folder: Path) -> None:
    store = MemoryStore()
    await run(folder, store)
    before = store.stored["t"]["docs/a.md"]
    (folder / "docs/a.md").write_bytes(b"\0\1\2")
    report = await run(folder, store)
    assert report.skipped == (Skipped("docs/a.md", "binary data, not text"),)
    assert (report.changed, report.deleted) == ((), ())
    assert store.stored["t"]["docs/a.md"] is before


async def test_after_a_failure_of_the_store_the_next_run_goes_on(folder: Path) -> None:
    store = MemoryStore()
    store.fails_at = "docs/b.md"
    with pytest.raises(Unavailable):
        await run(folder, store)
    store.fails_at = ""
    report = await run(folder, store)
    assert report.unchanged == ("docs/a.md",)
    assert report.new == ("docs/b.md", "docs/c.md")


async def test_nothing_is_deleted_when_storing_fails(folder: Path) -> None:
    store = MemoryStore()
    await run(folder, store)
    (folder / "docs/a.md").rename(folder / "docs/renamed.md")
    store.fails_at = "docs/renamed.md"
    with pytest.raises(Unavailable):
        await run(folder, store)
    assert "docs/a.md" in store.stored["t"]


async def test_short_documents_are_embedded_together(folder: Path) -> None:
    embedder = LengthEmbedder()
    for number in range(BATCH_CHUNKS + 10):
        (folder / f"docs/{number:04}.txt").write_text(f"Document {number}.")
    report = await run(folder, MemoryStore(), embedder=embedder)
    assert report.chunks == sum(embedder.batches) == BATCH_CHUNKS + 13
    assert len(embedder.batches) <= 6


async def test_progress_ends_at_the_total_and_never_goes_back(folder: Path) -> None:
    (folder / "docs/bad.pdf").write_bytes(b"no pdf")
    steps: list[Progress] = []
    report = await run(folder, MemoryStore(), steps=steps)
    assert steps[0] == Progress(0, 4, 0)
    assert (steps[-1].documents, steps[-1].total, steps[-1].chunks) == (4, 4, report.chunks)
    assert [step.documents for step in steps] == sorted(step.documents for step in steps)
