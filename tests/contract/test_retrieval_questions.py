"""The questions that measure search can be asked of what this checkout has."""

from collections import Counter

import pytest

from app.evals.retrieval.corpus import documents
from app.evals.retrieval.index import parse_all
from app.evals.retrieval.questions import KINDS, Question, load_questions, locate_all

# Pages that are being rewritten too often to be quoted.
NOT_QUOTED = {"docs/knowledge-base.md", "docs/guard-injection.md", "docs/retrieval.md", "docs/evals.md"}


@pytest.fixture(scope="module")
def questions() -> tuple[Question, ...]:
    return load_questions().questions


def test_every_gold_passage_is_in_the_corpus(questions: tuple[Question, ...]) -> None:
    parsed, _ = parse_all(documents())

    located, missing = locate_all(questions, parsed)

    lost = [f"{question.id}: not in {gold.document}: {gold.quote}" for question, gold in missing]
    assert not lost, "\n".join(lost)
    assert len(located) == len(questions)


def test_the_set_is_as_large_and_as_wide_as_it_is_said_to_be(questions: tuple[Question, ...]) -> None:
    quoted = {gold.document for question in questions for gold in question.gold}

    assert len(questions) >= 320
    assert sum(not question.is_answerable for question in questions) >= 70
    assert len(quoted) >= 150
    assert sum(name.startswith("packages/") for name in quoted) >= 120
    assert not quoted & NOT_QUOTED


@pytest.mark.parametrize("kind", KINDS)
def test_the_halves_have_as_many_of_each_kind(questions: tuple[Question, ...], kind: str) -> None:
    counts = Counter(question.split for question in questions if question.kind == kind)

    assert abs(counts["train"] - counts["test"]) <= 1
    assert counts["train"]


def test_no_query_is_asked_twice(questions: tuple[Question, ...]) -> None:
    asked = Counter(question.query.casefold() for question in questions)

    assert max(asked.values()) == 1
