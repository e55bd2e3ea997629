"""The file of graded answers: it survives a kill, and never mistakes one prompt for another."""

import json
from pathlib import Path

import pytest

from app.evals import Dataset, DatasetError, Sample
from app.evals.tiers.grades import GradeBook, Reply

SAMPLES = tuple(Sample(name, f"What is {name}?", answers=("x",), tags=("facts", "phrase")) for name in "abc")
DATASET = Dataset("d", Path("d.jsonl"), "00", SAMPLES)


def reply(name: str, model: str, grade: float = 1.0, question: str | None = None) -> Reply:
    return Reply(name, question or f"What is {name}?", model, grade, 12, 5, "ünï")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "router" / "grades.jsonl"


def test_replies_are_there_after_a_restart(path: Path) -> None:
    book = GradeBook(path)
    for added in (reply("a", "s"), reply("a", "l", 0.0), reply("b", "s")):
        book.add(added)
    pairs = GradeBook(path).pairs(DATASET, "s", "l")
    assert pairs == book.pairs(DATASET, "s", "l")
    assert [(p.id, p.category, p.small, p.large) for p in pairs] == [
        ("a", "facts", reply("a", "s"), reply("a", "l", 0.0))
    ]


def test_only_what_a_model_has_not_answered_is_missing(path: Path) -> None:
    book = GradeBook(path)
    book.add(reply("a", "s"))
    book.add(reply("c", "l"))
    assert [sample.id for sample in book.missing(DATASET, "s")] == ["b", "c"]
    assert [sample.id for sample in book.missing(DATASET, "l")] == ["a", "b"]


def test_the_answer_to_a_question_that_has_changed_does_not_count(path: Path) -> None:
    book = GradeBook(path)
    book.add(reply("a", "s", question="What was a?"))
    assert [sample.id for sample in book.missing(DATASET, "s")] == ["a", "b", "c"]


def test_a_later_answer_replaces_an_earlier_one(path: Path) -> None:
    book = GradeBook(path)
    for added in (reply("a", "s", 0.0), reply("a", "l"), reply("a", "s", 1.0)):
        book.add(added)
    assert GradeBook(path).pairs(DATASET, "s", "l")[0].small.grade == 1


def test_a_line_cut_off_by_a_kill_is_dropped_and_the_next_is_whole(path: Path) -> None:
    book = GradeBook(path)
    book.add(reply("a", "s"))
    path.write_bytes(path.read_bytes() + '{"id": "b", "text": "ü'.encode()[:-1])
    GradeBook(path).add(reply("b", "s"))
    assert [sample.id for sample in GradeBook(path).missing(DATASET, "s")] == ["c"]


@pytest.mark.parametrize(
    "change",
    [
        {"grade": 1.5},
        {"grade": True},
        {"grade": "1"},
        {"completion_tokens": -1},
        {"prompt_tokens": None},
        {"id": 7},
        {"colour": "red"},
        {"model": None},
    ],
)
def test_a_line_that_is_no_graded_answer_is_named(path: Path, change: dict[str, object]) -> None:
    GradeBook(path).add(reply("a", "s"))
    record = json.loads(path.read_text()) | change
    path.write_text(path.read_text() + json.dumps(record) + "\n")
    with pytest.raises(DatasetError, match=r"grades\.jsonl:2: "):
        GradeBook(path)


@pytest.mark.parametrize("line", ["[]", "nonsense", '{"id": "a"}'])
def test_a_line_that_is_no_object_of_that_kind_is_named(path: Path, line: str) -> None:
    path.parent.mkdir()
    path.write_text(line + "\n")
    with pytest.raises(DatasetError, match=r"grades\.jsonl:1: "):
        GradeBook(path)


@pytest.mark.parametrize(("small", "large", "suffices"), [(1, 1, True), (0, 0, True), (1, 0, True), (0, 1, False)])
def test_small_suffices_where_large_is_no_better(path: Path, small: float, large: float, suffices: bool) -> None:
    book = GradeBook(path)
    book.add(reply("a", "s", small))
    book.add(reply("a", "l", large))
    assert book.pairs(DATASET, "s", "l")[0].small_suffices is suffices
