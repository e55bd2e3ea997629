"""Groups that a document names where they are not read: it is refused, not shown to the whole tenant."""

import json
from pathlib import Path

import pytest

from app.ingest.discover import Skipped
from app.ingest.document import Limits, UnclearGroups, UnreadableDocument
from app.ingest.parse import parse_bytes
from app.ingest.records import parse_record, records_of_json
from tests.unit.ingest.targets import MemoryTarget, run

BESIDE = "its groups stand in `metadata`; write `groups` beside it, not in it"


@pytest.mark.parametrize("above", ["\n", "\r\n \t\r\n", "\ufeff", "\ufeff\n", "\n\ufeff"])
def test_blank_lines_and_a_mark_may_stand_above_front_matter(above: str) -> None:
    document = parse_bytes(f"{above}---\ngroups: [hr]\n---\nSalaries.\n".encode(), "a.md")
    assert (document.groups, document.text) == (("hr",), "Salaries.")


@pytest.mark.parametrize(
    ("matter", "reason"),
    [
        ("Groups: [hr]", "its groups stand in `Groups`; write `groups`"),
        ("' GROUPS ': hr", "its groups stand in `GROUPS`; write `groups`"),
        ("groups: [board]\nGroups: [hr]", "its groups stand in `Groups`; write `groups`"),
        ("metadata:\n  groups: [hr]", BESIDE),
        ("metadata: {Groups: hr}", BESIDE),
        ("Metadata: {groups: hr}", BESIDE.replace("m", "M", 1)),
        ("Groups: [hr\nx: 1", "its front matter names groups and cannot be read"),
        ("metadata:\n  groups: [hr\nx: 1", "its front matter names groups and cannot be read"),
        ("title: a: b\n\ngroups: [hr]", "its front matter names groups and cannot be read"),
    ],
)
def test_front_matter_that_names_groups_elsewhere_is_refused(matter: str, reason: str) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        parse_bytes(f"---\n{matter}\n---\nSalaries.\n".encode(), "a.md")
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"metadata": {"groups": ["hr"]}}, BESIDE),  # as LangChain exports it
        ({"metadata": {"Groups": "hr"}, "groups": ["board"]}, BESIDE),
        ({"Groups": ["hr"]}, "its groups stand in `Groups`; write `groups`"),
    ],
)
def test_a_record_that_names_groups_elsewhere_is_refused(fields: dict[str, object], reason: str) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        parse_record({"text": "Salaries.", **fields}, Limits())
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"name": "Ann", "groups": ["hr"]}, "it names groups, and has no record with `text`"),
        (["x", {"Text": "Salaries.", "groups": "hr"}], "it names groups, and has no record with `text`"),
        ([{"name": "Ann", "groups": {"hr": True}}], "its groups are no list of names"),
        ({"name": "Ann", "Groups": ["hr"]}, "its groups stand in `Groups`; write `groups`"),
        ([{"page_content": "Salaries.", "metadata": {"groups": ["hr"]}}], BESIDE),
    ],
)
def test_other_json_that_names_groups_is_refused(content: object, reason: str) -> None:
    with pytest.raises(UnclearGroups) as caught:
        records_of_json(json.dumps(content).encode())
    assert caught.value.reason == reason


@pytest.mark.parametrize("content", [[], {}, 7, ["groups"], {"groups": []}, [{"groups": None}], [{"a": {"groups": 1}}]])
def test_other_json_that_names_none_is_text(content: object) -> None:
    assert records_of_json(json.dumps(content).encode()) is None


@pytest.mark.parametrize("prune", [True, False])
async def test_what_is_stored_of_json_whose_groups_become_unclear_is_removed(tmp_path: Path, prune: bool) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.json").write_text('{"name": "Salaries"}')
    (tmp_path / "docs/b.json").write_text('[{"id": "r", "text": "Salaries"}]')
    (tmp_path / "docs/c.md").write_text("Menu.\n")
    target = MemoryTarget()
    await run(tmp_path, target)
    assert target.names() == ["docs/a.json", "docs/c.md", "r"]
    (tmp_path / "docs/a.json").write_text('{"name": "Salaries", "groups": ["hr"]}')
    (tmp_path / "docs/b.json").write_text('[{"id": "r", "Text": "Salaries", "groups": ["hr"]}]')
    report = await run(tmp_path, target, prune=prune)
    assert target.names() == ["docs/c.md"]
    assert [(each.name, each.withdraws) for each in report.skipped] == [("docs/a.json", True), ("docs/b.json", True)]


async def test_they_are_reported_and_the_others_stored(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.md").write_text("---\nGroups: [hr]\n---\nSalaries.\n")
    records = [{"id": "b", "text": "Salaries.", "metadata": {"groups": ["hr"]}}, {"id": "c", "text": "Menu."}]
    (tmp_path / "docs/b.jsonl").write_text("\n".join(map(json.dumps, records)))
    target = MemoryTarget()
    report = await run(tmp_path, target)
    assert target.names() == ["c"]
    assert report.skipped == (
        Skipped("b", BESIDE, withdraws=True),
        Skipped("docs/a.md", "its groups stand in `Groups`; write `groups`", withdraws=True),
    )


@pytest.mark.parametrize("prune", [True, False])
async def test_what_is_stored_of_a_document_whose_groups_become_unclear_is_removed(tmp_path: Path, prune: bool) -> None:
    """An earlier version may have shown it to everybody."""
    (tmp_path / "docs").mkdir()
    path = tmp_path / "docs/a.md"
    path.write_text("Salaries.\n")
    (tmp_path / "docs/b.md").write_text("Menu.\n")
    target = MemoryTarget()
    await run(tmp_path, target)
    path.write_text("---\nGroups: [hr]\n---\nSalaries.\n")
    report = await run(tmp_path, target, prune=prune)
    assert target.names() == ["docs/b.md"]
    assert [each.name for each in report.skipped] == ["docs/a.md"]
    path.write_text("---\ngroups: [hr]\n---\nSalaries.\n")
    await run(tmp_path, target)
    assert target.chunks("docs/a.md")[0].groups == ("hr",)
