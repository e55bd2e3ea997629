"""The file of graded answers: it survives a kill, and never mistakes one prompt for another."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.evals import Dataset, DatasetError, Sample
from app.evals.tiers.grades import GradeBook, Pair, Reply, most_tokens

RIGHT, WRONG = "x, ünï", "ünï"
SAMPLES = tuple(Sample(name, f"What is {name}?", answers=("x",), tags=("facts", "phrase")) for name in "abc")
DATASET = Dataset("d", Path("d.jsonl"), "00", SAMPLES)


def reply(name: str, model: str, grade: float = 1.0, question: str | None = None) -> Reply:
    return Reply(name, question or f"What is {name}?", model, grade, 12, 5, RIGHT if grade else WRONG)


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
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == ["a", "b"]


def test_answers_without_a_final_newline_are_kept_and_the_next_gets_a_line_of_its_own(path: Path) -> None:
    for name in "ab":
        GradeBook(path).add(reply(name, "s"))
    content = path.read_bytes().removesuffix(b"\n")
    path.write_bytes(content)

    book = GradeBook(path)
    assert path.read_bytes() == content, "reading changes nothing"
    assert [sample.id for sample in book.missing(DATASET, "s")] == ["c"]
    book.add(reply("c", "s"))
    assert path.read_bytes().startswith(content + b"\n")
    assert GradeBook(path).missing(DATASET, "s") == ()


def test_a_single_answer_without_a_newline_is_an_answer(path: Path) -> None:
    GradeBook(path).add(reply("a", "s"))
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    assert [sample.id for sample in GradeBook(path).missing(DATASET, "s")] == ["b", "c"]


def test_reading_leaves_a_line_that_was_cut_off_where_it_is(path: Path) -> None:
    GradeBook(path).add(reply("a", "s"))
    content = path.read_bytes() + b'{"id": "b", "te'
    path.write_bytes(content)
    assert [sample.id for sample in GradeBook(path).missing(DATASET, "s")] == ["b", "c"]
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"my notes", b'{"id": "a", "tex', b"\xff\xfe", b'{"id": "a"}', b"7", b"\n\nnotes"])
def test_a_file_without_a_graded_answer_is_refused_and_stays_as_it_is(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"grades\.jsonl"):
        GradeBook(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"\n", b"  \n"])
def test_an_empty_file_holds_no_answers_and_takes_some(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    GradeBook(path).add(reply("a", "s"))
    assert [sample.id for sample in GradeBook(path).missing(DATASET, "s")] == ["b", "c"]


def test_a_line_that_is_no_text_is_named(path: Path) -> None:
    GradeBook(path).add(reply("a", "s"))
    path.write_bytes(path.read_bytes() + b'{"id": "\xff"}\n')
    with pytest.raises(DatasetError, match=r"grades\.jsonl:2: "):
        GradeBook(path)


def graded(path: Path, sample: Sample) -> Pair:
    (pair,) = GradeBook(path).pairs(Dataset("d", Path("d.jsonl"), "00", (sample,)), "s", "l")
    return pair


def test_a_corrected_answer_key_or_rule_changes_the_grades_of_answers_that_are_there(path: Path) -> None:
    book = GradeBook(path)
    for added in (reply("a", "s", 0.0), reply("a", "l", 1.0)):
        book.add(added)
    before = path.read_bytes()

    for sample, small, large in (
        (SAMPLES[0], 0, 1),
        (replace(SAMPLES[0], answers=("ünï",)), 1, 1),
        (replace(SAMPLES[0], answers=("ünï",), tags=("facts", "exact")), 1, 0),
    ):
        pair = graded(path, sample)
        assert (pair.small.grade, pair.large.grade) == (small, large)
    assert path.read_bytes() == before


def test_where_the_text_was_not_kept_the_grade_stands(path: Path) -> None:
    path.parent.mkdir()
    line = {"id": "a", "question": "What is a?", "grade": 0.5, "prompt_tokens": 1, "completion_tokens": 1}
    path.write_text("".join(json.dumps(line | {"model": model}) + "\n" for model in "sl"))
    pair = graded(path, replace(SAMPLES[0], tags=("facts",)))
    assert (pair.small.grade, pair.small.text, pair.small.max_tokens) == (0.5, None, None)


@pytest.mark.parametrize(
    ("asked", "recorded"),
    [((64, 64), 64), ((64, 192), "64, 192"), ((None, 64), "64, unknown"), ((None, None), None)],
)
def test_what_was_asked_with_is_kept_and_told(
    path: Path, asked: tuple[int | None, int | None], recorded: int | str | None
) -> None:
    book = GradeBook(path)
    for model, most in zip("sl", asked, strict=True):
        book.add(replace(reply("a", model), max_tokens=most))
    assert most_tokens([graded(path, SAMPLES[0])]) == recorded


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
        {"text": 7},
        {"max_tokens": 0},
        {"max_tokens": True},
        {"max_tokens": 1.5},
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
