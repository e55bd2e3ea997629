"""A whole run against a knowledge base in memory."""

from pathlib import Path

import pytest

from app.ingest.attributes import Attributes
from app.ingest.chunk import embedding_text
from app.ingest.discover import Skipped
from app.ingest.document import Limits
from app.ingest.ingest import Progress
from app.ingest.staging import GROUP_CHUNKS
from app.ingest.workers import SLICE_CHUNKS
from tests.unit.ingest.targets import LengthEmbedder, MemoryTarget, run, vector_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("a", "b", "c"):
        (docs / f"{name}.md").write_text(f"# Title {name}\n\nWords of {name}.\n")
    return tmp_path


async def test_documents_are_stored_with_a_vector_for_each_chunk(folder: Path) -> None:
    target = MemoryTarget()
    (folder / "docs/long.txt").write_text("Some words here. " * 2000)
    report = await run(folder, target)
    assert report.new == ("docs/a.md", "docs/b.md", "docs/c.md", "docs/long.txt")
    assert report.chunks == report.knowledge_base.chunks > 20
    for name, (chunks, vectors) in target.stored["t"].items():
        assert all(chunk.document == name and chunk.tenant == "t" for chunk in chunks)
        expected = [vector_of(embedding_text(chunk)) for chunk in chunks]
        assert [tuple(vector) for vector in vectors] == expected


async def test_all_changes_become_visible_in_one_commit(folder: Path) -> None:
    target = MemoryTarget()
    for number in range(600):
        (folder / f"docs/{number:04}.txt").write_text(f"Document number {number}.")
    await run(folder, target)
    assert target.calls.count("stage") > 1
    assert target.calls.count("commit") == 1
    assert target.calls[-1] == "commit"


async def test_a_second_run_changes_nothing(folder: Path) -> None:
    target, embedder = MemoryTarget(), LengthEmbedder()
    await run(folder, target)
    before = list(target.calls)
    report = await run(folder, target, embedder=embedder)
    assert report.unchanged == ("docs/a.md", "docs/b.md", "docs/c.md")
    assert (report.new, report.changed, report.deleted, report.chunks) == ((), (), (), 0)
    assert target.calls == before
    assert embedder.calls == 0


async def test_only_what_changed_is_replaced_and_what_is_gone_deleted(folder: Path) -> None:
    target, embedder = MemoryTarget(), LengthEmbedder()
    await run(folder, target)
    (folder / "docs/a.md").write_text("# Other\n\nwords\n")
    (folder / "docs/b.md").unlink()
    report = await run(folder, target, embedder=embedder)
    assert (report.changed, report.deleted, report.unchanged) == (("docs/a.md",), ("docs/b.md",), ("docs/c.md",))
    assert target.names() == ["docs/a.md", "docs/c.md"]
    assert embedder.texts == ["Other\n\nwords"]


async def test_without_prune_what_is_gone_stays(folder: Path) -> None:
    target = MemoryTarget()
    await run(folder, target)
    (folder / "docs/b.md").unlink()
    report = await run(folder, target, prune=False)
    assert report.deleted == ()
    assert "docs/b.md" in target.names()


async def test_ingesting_one_file_or_a_glob_leaves_its_neighbours(folder: Path) -> None:
    target = MemoryTarget()
    await run(folder, target)
    assert (await run(folder, target, "docs/a.md")).deleted == ()
    assert (await run(folder, target, "docs/[ab].md")).deleted == ()


async def test_tenants_do_not_see_each_other(folder: Path) -> None:
    target = MemoryTarget()
    await run(folder, target, tenant="one")
    report = await run(folder, target, "docs/a.md", tenant="two")
    assert report.new == ("docs/a.md",)
    assert len(target.stored["one"]) == 3


async def test_another_embedding_model_ingests_all_anew(folder: Path) -> None:
    target = MemoryTarget()
    await run(folder, target)
    assert len((await run(folder, target, model="other")).changed) == 3


async def test_groups_and_metadata_of_a_run_are_those_of_all_its_documents(folder: Path) -> None:
    target = MemoryTarget()
    (folder / "docs/own.md").write_text("---\ngroups: [board]\nyear: 2020\n---\nMinutes of the meeting.\n")
    both = Attributes(("hr", "legal"), {"year": 2026, "site": "Bern"})
    await run(folder, target, attributes=both)
    assert target.chunks("docs/a.md")[0].groups == ("hr", "legal")
    assert target.chunks("docs/a.md")[0].metadata == {"year": 2026, "site": "Bern"}
    assert target.chunks("docs/own.md")[0].groups == ("board",)
    assert target.chunks("docs/own.md")[0].metadata == {"year": 2020, "site": "Bern"}


async def test_other_groups_of_a_run_are_a_change(folder: Path) -> None:
    target = MemoryTarget()
    await run(folder, target, attributes=Attributes(("hr",)))
    report = await run(folder, target, attributes=Attributes(("board",)))
    assert len(report.changed) == 3
    assert target.chunks("docs/a.md")[0].groups == ("board",)


async def test_bad_files_are_reported_and_the_others_stored(folder: Path) -> None:
    target = MemoryTarget()
    (folder / "docs/bad.pdf").write_bytes(b"no pdf")
    (folder / "docs/blank.txt").write_text("\n")
    (folder / "docs/huge.txt").write_text("x" * 2_000)
    (folder / "docs/many.txt").write_text("Some words here. " * 500)
    (folder / "docs/tool.bin").write_text("pass")
    report = await run(folder, target, limits=Limits(max_bytes=10_000, max_chunks=5))
    assert report.new == ("docs/a.md", "docs/b.md", "docs/c.md", "docs/huge.txt")
    assert report.skipped == (
        Skipped("docs/bad.pdf", "not a PDF, whatever its suffix says"),
        Skipped("docs/blank.txt", "no text in it"),
        Skipped("docs/many.txt", "9 passages; at most 5 a document, so split it"),
        Skipped("docs/tool.bin", "unsupported type .bin"),
    )
    report = await run(folder, target, limits=Limits(max_bytes=1_000))
    assert Skipped("docs/huge.txt", "larger than 0.001 MB") in report.skipped


async def test_a_stored_document_that_becomes_unreadable_stays_as_it_was(folder: Path) -> None:
    target = MemoryTarget()
    await run(folder, target)
    before = target.stored["t"]["docs/a.md"]
    (folder / "docs/a.md").write_bytes(b"\0\1\2")
    report = await run(folder, target)
    assert report.skipped == (Skipped("docs/a.md", "binary data, not text"),)
    assert (report.changed, report.deleted) == ((), ())
    assert target.stored["t"]["docs/a.md"] is before


async def test_short_documents_are_embedded_and_staged_together(folder: Path) -> None:
    embedder, target = LengthEmbedder(), MemoryTarget()
    for number in range(GROUP_CHUNKS + 10):
        (folder / f"docs/{number:04}.txt").write_text(f"Document {number}.")
    report = await run(folder, target, embedder=embedder)
    assert report.chunks == len(embedder.texts) == GROUP_CHUNKS + 13
    assert embedder.calls <= GROUP_CHUNKS // SLICE_CHUNKS + 1
    assert target.calls == ["stage", "stage", "commit"]


async def test_progress_ends_at_the_total_and_never_goes_back(folder: Path) -> None:
    (folder / "docs/bad.pdf").write_bytes(b"no pdf")
    steps: list[Progress] = []
    report = await run(folder, MemoryTarget(), steps=steps)
    assert steps[0] == Progress(0, 4, 0)
    assert (steps[-1].documents, steps[-1].total, steps[-1].chunks) == (4, 4, report.chunks)
    assert [step.documents for step in steps] == sorted(step.documents for step in steps)
