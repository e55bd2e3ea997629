"""Files of records in a run: each is a document of its own, bad lines are reported, and what is gone is removed."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.ingest.attributes import SOURCE
from app.ingest.discover import Skipped
from app.ingest.document import Limits
from app.ingest.records import read_lines
from tests.unit.ingest.targets import LengthEmbedder, MemoryTarget, run


def write(path: Path, *records: dict[str, Any] | str) -> None:
    lines = (record if isinstance(record, str) else json.dumps(record) for record in records)
    path.write_text("\n".join(lines) + "\n")


def record(name: str | int, text: str = "", **fields: Any) -> dict[str, Any]:
    return {"id": name, "text": text or f"Text of {name}.", **fields}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    return tmp_path


async def test_a_line_is_a_document_with_its_id_title_groups_and_fields(folder: Path) -> None:
    target = MemoryTarget()
    write(
        folder / "docs/a.jsonl",
        record("x/1", title="One", groups=["hr"], year=2026, metadata={"site": "Bern"}),
        record(2),
        "",
        {"_id": "three", "text": "Text of three."},
        {"text": "Without an id."},
    )
    report = await run(folder, target)
    assert list(report.new) == ["2", "docs/a.jsonl#5", "three", "x/1"]
    first = target.chunks("x/1")[0]
    assert (first.title, first.groups) == ("One", ("hr",))
    assert first.metadata == {"year": 2026, "site": "Bern", SOURCE: "docs/a.jsonl"}


async def test_a_json_file_may_list_records(folder: Path) -> None:
    target = MemoryTarget()
    (folder / "docs/list.json").write_text(json.dumps([record("b"), record("a")], indent=1))
    (folder / "docs/one.json").write_text(json.dumps(record("c")))
    (folder / "docs/other.json").write_text('{"name": "no record"}')
    report = await run(folder, target)
    assert list(report.new) == ["a", "b", "c", "docs/other.json"]
    assert target.chunks("a")[0].text == "Text of a."


async def test_changed_and_deleted_lines_propagate_and_the_others_are_left_alone(folder: Path) -> None:
    target, embedder = MemoryTarget(), LengthEmbedder()
    path = folder / "docs/a.jsonl"
    write(path, *(record(f"r{at}") for at in range(20)))
    await run(folder, target)
    kept = [record(f"r{at}") for at in range(20) if at != 3]
    kept[0]["text"] = "Changed."
    write(path, *reversed(kept))
    report = await run(folder, target, embedder=embedder)
    assert (report.changed, report.deleted) == (("r0",), ("r3",))
    assert embedder.texts == ["Changed."]
    path.unlink()
    write(folder / "docs/b.jsonl", record("other"))
    report = await run(folder, target)
    assert len(report.deleted) == 19
    assert target.names() == ["other"]


async def test_bad_lines_are_reported_and_the_others_stored(folder: Path) -> None:
    target = MemoryTarget()
    write(
        folder / "docs/a.jsonl",
        record("good"),
        '{"id": "cut',
        "[1, 2]",
        record("no text", text=" "),
        {"id": ["x"], "text": "x"},
        record("long", "x" * 5000),
        record("hidden", groups={"hr": True}),
        record("good"),
        record("last"),
    )
    report = await run(folder, target, limits=Limits(max_record_bytes=4000))
    assert list(report.new) == ["good", "last"] == target.names()
    assert report.skipped == (
        Skipped("docs/a.jsonl#2", "not valid JSON"),
        Skipped("docs/a.jsonl#3", "no JSON object"),
        Skipped("docs/a.jsonl#5", "its id is neither text nor a whole number"),
        Skipped("docs/a.jsonl#6", "a line of more than 0.004 MB"),
        Skipped("docs/a.jsonl: good", "its name good is there twice in its file"),
        Skipped("hidden", "its groups are no list of names", withdraws=True),
        Skipped("no text", "no text in it"),
    )


async def test_a_line_that_is_nested_too_deeply_is_reported_and_the_others_stored(folder: Path) -> None:
    target = MemoryTarget()
    deep = '{"id": "deep", "text": "x", "a": ' + "[" * 300 + "]" * 300 + "}"
    write(folder / "docs/a.jsonl", record("good"), deep, record("last"))
    (folder / "docs/b.json").write_text(f"[{deep}]")
    report = await run(folder, target)
    assert list(report.new) == ["good", "last"] == target.names()
    assert report.skipped == (
        Skipped("docs/a.jsonl#2", "JSON that is nested too deeply"),
        Skipped("docs/b.json", "JSON that is nested too deeply"),
    )


async def test_nothing_is_removed_while_a_line_cannot_be_read(folder: Path) -> None:
    target = MemoryTarget()
    path = folder / "docs/a.jsonl"
    write(path, record("a"), record("b"))
    await run(folder, target)
    write(path, record("a"), '{"id": "b", "text": "cut o')
    assert (await run(folder, target)).deleted == ()
    assert target.names() == ["a", "b"]


async def test_one_id_in_two_files_is_one_document_and_a_report(folder: Path) -> None:
    target = MemoryTarget()
    write(folder / "docs/a.jsonl", record("same", "First."))
    write(folder / "docs/b.jsonl", record("same", "Second."))
    report = await run(folder, target)
    assert target.chunks("same")[0].text == "First."
    assert report.skipped == (Skipped("docs/b.jsonl: same", "its name same is there also in docs/a.jsonl"),)


async def test_one_bad_item_does_not_show_the_records_of_its_list_to_everybody(folder: Path) -> None:
    target = MemoryTarget()
    items = [record("s1", "Salary of Ann is 9000.", groups=["hr"]), {"id": "s2", "title": "no text"}, "s3"]
    (folder / "docs/hr.json").write_text(json.dumps(items))
    report = await run(folder, target)
    assert target.names() == ["s1"]
    assert target.chunks("s1")[0].groups == ("hr",)
    assert report.skipped == (Skipped("docs/hr.json#3", "no JSON object"), Skipped("s2", "a record without `text`"))


async def test_a_file_that_was_read_as_text_goes_when_its_records_are_read(folder: Path) -> None:
    target = MemoryTarget()
    (folder / "docs/hr.json").write_text('[{"name": "Salary of Ann is 9000."}]')
    await run(folder, target)
    assert target.names() == ["docs/hr.json"]
    # Not all of its items can be read, and still nothing of it is a text any more.
    (folder / "docs/hr.json").write_text(json.dumps([record("s1", groups=["hr"]), None]))
    report = await run(folder, target)
    assert report.deleted == ("docs/hr.json",)
    assert target.names() == ["s1"]


async def test_records_that_move_to_another_file_go_with_that_one(folder: Path) -> None:
    target = MemoryTarget()
    (folder / "other").mkdir()
    write(folder / "docs/a.jsonl", record("a"), record("b"))
    write(folder / "docs/rest.jsonl", record("rest"))
    await run(folder, target)
    (folder / "docs/a.jsonl").rename(folder / "other/b.jsonl")
    report = await run(folder, target, "other")
    assert (report.changed, target.chunks("a")[0].metadata[SOURCE]) == (("a", "b"), "other/b.jsonl")
    assert (await run(folder, target)).deleted == ()
    assert target.names() == ["a", "b", "rest"]
    write(folder / "other/b.jsonl", record("a"))
    assert (await run(folder, target, "other")).deleted == ("b",)


async def test_records_of_other_files_stay(folder: Path) -> None:
    target = MemoryTarget()
    write(folder / "docs/a.jsonl", record("docs/old.md"))
    write(folder / "docs/b.jsonl", record("b"))
    await run(folder, target)
    assert (await run(folder, target, "docs/b.jsonl")).deleted == ()


def test_a_huge_line_is_never_held_whole(tmp_path: Path) -> None:
    path = tmp_path / "huge.jsonl"
    with path.open("wb") as file:
        file.write(b'{"id": 1}\n')
        file.seek(64_000_000)  # a hole: the file takes no room
        file.write(b"\n" + b'{"id": 2}')
    longest = 0

    class Watched:
        def __init__(self, size: int = -1) -> None:
            self.file = path.open("rb")

        def readline(self, size: int = -1) -> bytes:
            nonlocal longest
            data = self.file.readline(size)
            longest = max(longest, len(data))
            return data

    lines = list(read_lines(Watched(), Limits()))  # type: ignore[arg-type]  # readline is all that it asks for
    assert [(line.number, line.data) for line in lines] == [(1, b'{"id": 1}\n'), (2, None), (3, b'{"id": 2}')]
    assert lines[2].start == 64_000_001
    assert longest <= Limits().max_record_bytes + 1
