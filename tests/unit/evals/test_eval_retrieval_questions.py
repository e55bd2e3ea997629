"""Questions are checked when they are read, and their gold is found in parsed text."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.evals.errors import DatasetError
from app.evals.retrieval.corpus import Document, digest, normal, package_documents, stdlib_documents, write
from app.evals.retrieval.questions import Gold, load_questions, locate, locate_all
from app.ingest.parse import parse_bytes

GOOD: dict[str, Any] = {
    "id": "q1",
    "query": "How long?",
    "kind": "question",
    "split": "train",
    "answerable": True,
    "gold": [{"document": "a.md", "quote": "an hour by default, unless"}],
}


def questions_file(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_a_good_line_is_read(tmp_path: Path) -> None:
    (question,) = load_questions(questions_file(tmp_path, GOOD)).questions

    assert question.is_answerable
    assert question.gold == (Gold("a.md", "an hour by default, unless"),)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"kind": "riddle"}, "kind must be"),
        ({"split": "dev"}, "split"),
        ({"answerable": False}, "contradict"),
        ({"gold": []}, "contradict"),
        ({"kind": "unanswerable"}, "contradict"),
        ({"query": " "}, "must be texts"),
        ({"more": 1}, "keys must be"),
        ({"gold": [{"document": "a.md", "quote": "short"}]}, "characters"),
    ],
)
def test_a_bad_line_is_told_with_its_place(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    path = questions_file(tmp_path, GOOD, GOOD | {"id": "q2"} | change)

    with pytest.raises(DatasetError, match=rf"questions\.jsonl:2: .*{problem}"):
        load_questions(path)


def test_an_id_is_given_once(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="'q1' is taken"):
        load_questions(questions_file(tmp_path, GOOD, GOOD))


def test_a_quote_is_found_whatever_the_white_space_and_wherever_it_stands() -> None:
    document = parse_bytes(
        b"# T\n\nIt lives an hour by\ndefault, unless set.\n\nAgain: an hour by default, unless.", "a.md"
    )
    place = locate(Gold("a.md", "an hour by  default, unless"), document)

    assert place is not None
    assert [document.text[start:end].split() for start, end in place.spans] == [
        ["an", "hour", "by", "default,", "unless"]
    ] * 2


def test_a_question_whose_gold_is_lost_is_left_out_and_told(tmp_path: Path) -> None:
    lost = GOOD | {"id": "q2", "gold": [{"document": "b.md", "quote": "a text that is nowhere"}]}
    none = GOOD | {"id": "q3", "kind": "unanswerable", "answerable": False, "gold": []}
    questions = load_questions(questions_file(tmp_path, GOOD, lost, none)).questions
    parsed = {"a.md": parse_bytes(b"Kept for an hour by default, unless told otherwise.", "a.md")}

    located, missing = locate_all(questions, parsed)

    assert [each.question.id for each in located] == ["q1", "q3"]
    assert [(question.id, gold.document) for question, gold in missing] == [("q2", "b.md")]


def test_packages_are_named_as_indexes_compare_names() -> None:
    assert normal("Typing_Extensions") == normal("typing.extensions") == "typing-extensions"
    names = {document.name for document in package_documents()}
    assert "packages/numpy.md" in names
    assert "packages/aiohttp.rst" in names
    assert "packages/mlflow-skinny.md" not in names  # a copy of mlflow's


def test_docstrings_of_what_is_public_stand_under_headings() -> None:
    heapq = next(document for document in stdlib_documents() if document.name == "stdlib/heapq.rst").parsed()

    assert heapq.title == "heapq"
    assert "heapq > heappushpop" in {block.heading for block in heapq.blocks}


def test_the_corpus_can_be_written_for_a_running_stack(tmp_path: Path) -> None:
    given = [Document("docs/a.md", b"x"), Document("packages/b.rst", b"y")]

    assert write(given, tmp_path) == 2
    assert (tmp_path / "packages" / "b.rst").read_bytes() == b"y"
    assert digest(given) != digest(given[:1])
