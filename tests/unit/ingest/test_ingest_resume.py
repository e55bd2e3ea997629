"""A run that was cut off: nothing of it is seen, the next one goes on from there and ends the same."""

from pathlib import Path

import numpy as np
import pytest

from app.errors import Unavailable
from app.ingest.signatures import SignatureFile
from tests.unit.ingest.targets import LengthEmbedder, MemoryTarget, run

COUNT = 700  # more than a few groups


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    for number in range(COUNT):
        (tmp_path / f"docs/{number:04}.txt").write_text(f"Document number {number} of the archive.")
    return tmp_path


async def cut_off(folder: Path, target: MemoryTarget, at: int = 600) -> list[str]:
    """A run that dies when it stages a document; returns the names of what was staged before."""
    target.fails_at = f"docs/{at:04}.txt"
    with pytest.raises(Unavailable):
        await run(folder, target)
    target.fails_at = ""
    staged = list(target.waiting["t"])
    assert 100 < len(staged) < COUNT
    return staged


def assert_same(one: MemoryTarget, other: MemoryTarget) -> None:
    assert one.names() == other.names()
    for name in one.names():
        assert one.chunks(name) == other.chunks(name)
        assert np.array_equal(one.stored["t"][name][1], other.stored["t"][name][1])


async def test_the_next_run_embeds_only_what_is_missing_and_ends_identical(folder: Path) -> None:
    target, whole, embedder = MemoryTarget(), MemoryTarget(), LengthEmbedder()
    staged = await cut_off(folder, target)
    assert target.names() == []
    report = await run(folder, target, embedder=embedder)
    assert (report.resumed, len(report.new)) == (len(staged), COUNT)
    assert len(embedder.texts) == COUNT - len(staged)
    assert not set(staged) & set(target.staged_documents[len(staged) :])
    await run(folder, whole)
    assert_same(target, whole)
    assert target.waiting == {}


async def test_a_file_that_changes_between_the_runs_is_staged_again(folder: Path) -> None:
    target = MemoryTarget()
    await cut_off(folder, target)
    (folder / "docs/0000.txt").write_text("Something else altogether.")
    report = await run(folder, target)
    assert target.chunks("docs/0000.txt")[0].text == "Something else altogether."
    assert len(report.new) == COUNT


async def test_old_documents_are_seen_until_the_new_ones_are_complete(folder: Path) -> None:
    target = MemoryTarget()
    await run(folder, target)
    before = dict(target.stored["t"])
    for number in range(COUNT):
        (folder / f"docs/{number:04}.txt").write_text(f"Second edition, number {number}.")
    (folder / "docs/0001.txt").unlink()
    await cut_off(folder, target)
    assert target.stored["t"] == before
    await run(folder, target)
    assert len(target.names()) == COUNT - 1
    assert all("Second" in target.chunks(name)[0].text for name in target.names())


async def test_what_is_staged_and_no_longer_wanted_is_discarded(folder: Path) -> None:
    target = MemoryTarget()
    (folder / "other").mkdir()
    (folder / "other/a.txt").write_text("Of another folder.")
    await cut_off(folder, target)
    report = await run(folder, target, "other")
    assert "discard" in target.calls
    assert target.names() == ["other/a.txt"]
    assert report.resumed == 0


async def test_a_change_that_was_taken_back_is_discarded(folder: Path) -> None:
    target = MemoryTarget()
    await run(folder, target)
    for number in range(COUNT):
        (folder / f"docs/{number:04}.txt").write_text(f"Draft {number}.")
    await cut_off(folder, target)
    for number in range(COUNT):
        (folder / f"docs/{number:04}.txt").write_text(f"Document number {number} of the archive.")
    report = await run(folder, target)
    assert report.chunks == 0
    assert target.waiting == {}
    assert target.chunks("docs/0003.txt")[0].text == "Document number 3 of the archive."


async def test_ten_changed_files_are_all_that_a_second_run_touches(folder: Path, tmp_path: Path) -> None:
    target, embedder = MemoryTarget(), LengthEmbedder()
    memory = SignatureFile(tmp_path / "signatures.sqlite")
    await run(folder, target, memory=memory)
    memory.close()
    before = dict(target.stored["t"])
    changed = [f"docs/{number:04}.txt" for number in range(0, 100, 10)]
    for name in changed:
        (folder / name).write_text(f"Changed: {name}.")
    memory = SignatureFile(tmp_path / "signatures.sqlite")
    report = await run(folder, target, embedder=embedder, memory=memory)
    memory.close()
    assert list(report.changed) == changed == target.staged_documents[COUNT:]
    assert len(embedder.texts) == 10
    assert all(target.stored["t"][name] is before[name] for name in target.names() if name not in changed)


async def killed(folder: Path, target: MemoryTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that dies when all is staged and nothing committed."""

    async def die(tenant: str) -> None:
        raise Unavailable("killed")

    with monkeypatch.context() as patched:
        patched.setattr(target, "commit", die)
        with pytest.raises(Unavailable, match="killed"):
            await run(folder, target)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """One document for one group, and another one."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.md").write_text("---\ngroups: [hr]\n---\nSalaries.\n")
    (tmp_path / "docs/b.md").write_text("Menu.\n")
    return tmp_path


async def test_a_staged_change_of_what_cannot_be_read_any_more_is_not_committed(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = MemoryTarget()
    await run(small, target)
    before = target.stored["t"]["docs/a.md"]
    (small / "docs/a.md").write_text("Salaries for all to see.\n")
    (small / "docs/b.md").write_text("Another menu.\n")
    await killed(small, target, monkeypatch)
    (small / "docs/a.md").write_bytes(b"\0\1\2")
    report = await run(small, target)
    assert target.stored["t"]["docs/a.md"] is before
    assert target.chunks("docs/b.md")[0].text == "Another menu."
    assert [each.name for each in report.skipped] == ["docs/a.md"]
    assert (report.changed, report.deleted, target.waiting) == (("docs/b.md",), (), {})


async def test_a_staged_removal_of_what_is_back_and_cannot_be_read_is_not_committed(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = MemoryTarget()
    await run(small, target)
    before = target.stored["t"]["docs/a.md"]
    (small / "docs/a.md").unlink()
    await killed(small, target, monkeypatch)
    assert await target.staged("t") == {"docs/a.md": None}
    (small / "docs/a.md").write_bytes(b"\0\1\2")
    report = await run(small, target)
    assert target.stored["t"]["docs/a.md"] is before
    assert (report.changed, report.deleted, target.waiting) == ((), (), {})


async def test_a_new_document_that_cannot_be_read_any_more_is_not_committed(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What else was staged is taken over all the same."""
    target = MemoryTarget()
    await killed(small, target, monkeypatch)
    (small / "docs/a.md").write_bytes(b"\0\1\2")
    report = await run(small, target)
    assert target.names() == ["docs/b.md"] == list(report.new)
    assert (report.resumed, report.chunks) == (1, 0)
