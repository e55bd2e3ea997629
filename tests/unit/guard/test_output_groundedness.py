"""Groundedness: sentences of an answer, which of them claim something, and which of those no passage bears out."""

import time
from collections.abc import Sequence

import numpy as np
import pytest

from app.config.policy import GroundednessSettings
from app.evals.guard.groundedness import Measured, load_answered, measure_by_marks
from app.guard.output.groundedness import GroundednessRail, groundedness
from app.guard.output.sentences import MAX_SENTENCES, sentences
from app.guard.output.support import MOST_WITH_FACTS_NOWHERE, WEIGHTS, ground, hold, support
from app.guard.types import Context, Hit
from app.retrieval.marks import content_words
from app.retrieval.types import Vector

PASSAGES = (
    "Refunds are paid within 14 days after Northwind receives the returned item. Shipping is paid by the customer.",
    "Items bought on sale can be exchanged but not refunded. Gift cards never expire.",
)


class Words:
    """Stands in for the embedder: a word is a direction."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, texts: Sequence[str]) -> list[Vector]:
        self.asked += texts
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> Vector:
        vector = np.zeros(512, dtype=np.float32)
        for word in content_words(text):
            vector[sum(word.encode()) % 512] += 1
        return vector / max(float(np.linalg.norm(vector)), 1e-9)


async def unsupported(answer: str, passages: tuple[str, ...] = PASSAGES, question: str = "") -> list[str]:
    rail = GroundednessRail(GroundednessSettings(), Words())
    (hits,) = await rail.examine([answer], Context(passages=passages, question=question))
    assert all(hit.rule == "unsupported" for hit in hits)
    return [answer[hit.start : hit.end] for hit in hits if hit.score >= 0.5]


async def test_sentence_without_support_is_marked_where_it_stands() -> None:
    answer = "Refunds are paid within 14 days. [1] The Eiffel Tower is made of iron. Gift cards never expire [2]."
    assert await unsupported(answer) == ["The Eiffel Tower is made of iron."]


@pytest.mark.parametrize("number", ["13", "140", "1.4", "fifteen"])
async def test_number_that_no_passage_has_is_unsupported(number: str) -> None:
    answer = f"Refunds are paid within {number} days after Northwind receives the returned item."
    assert await unsupported(answer) == [answer]
    assert await unsupported(answer.replace(number, "14")) == []
    assert await unsupported(answer.replace(number, "fourteen")) == []


async def test_number_of_the_users_question_may_be_said_again() -> None:
    answer = "Gift cards of 50 dollars never expire."
    assert await unsupported(answer) == [answer]
    found = hold(answer, ground(PASSAGES, "Do gift cards of 50 dollars expire?")).found
    assert found["facts_nowhere"] == 0


async def test_denial_of_a_passage_is_scored_above_what_it_says() -> None:
    said, denied = "Items bought on sale can be exchanged.", "Shipping is not paid by the customer."
    against = ground(PASSAGES)
    assert hold(denied, against).found["negation"] > 0.5
    assert hold("Shipping is paid by the customer.", against).found["negation"] == 0
    assert support(hold(said, against).found, 0.8) > 0.5


def test_name_that_no_passage_has_counts() -> None:
    against = ground(PASSAGES)
    assert hold("Refunds are paid by Southgate.", against).found["names_nowhere"] == 1
    assert hold("Refunds are paid by Northwind.", against).found["names_nowhere"] == 0
    assert WEIGHTS["names_nowhere"] < 0


def test_support_is_capped_by_a_missing_number() -> None:
    found = {name: 0.0 for name in WEIGHTS if name != "meaning"} | {"words": 1.0, "facts_nowhere": 1.0}
    assert support(found, 1.0) == MOST_WITH_FACTS_NOWHERE
    assert support(found | {"facts_nowhere": 0.0}, 1.0) > 0.9


async def test_share_of_supported_claims() -> None:
    answer = "Sure! Refunds are paid within 14 days. They are paid within 99 days. Anything else?"
    (hits,) = await GroundednessRail(GroundednessSettings(), Words()).examine([answer], Context(passages=PASSAGES))
    assert groundedness(answer, hits) == 0.5
    assert groundedness(answer, []) == 1.0
    assert groundedness("I don't know.", []) is None
    assert groundedness(answer, [Hit("other", 1.0, 0, 4)] * 9) == 1.0


@pytest.mark.parametrize("passages", [(), ("",)])
async def test_answer_without_passages_has_no_hits(passages: tuple[str, ...]) -> None:
    assert await unsupported("The moon is made of cheese.", passages) == []


async def test_embedding_is_asked_once_and_not_for_what_is_decided() -> None:
    words = Words()
    rail = GroundednessRail(GroundednessSettings(), words)
    await rail.examine(["It takes 99 days.", "It takes 98 days."], Context(passages=PASSAGES))
    assert words.asked == []
    await rail.examine(["Gift cards never expire.", "Gift cards never expire."], Context(passages=PASSAGES))
    assert len(words.asked) == len(set(words.asked)) > 0


def texts(answer: str) -> list[str]:
    return [each.text for each in sentences(answer)]


@pytest.mark.parametrize(
    ("answer", "parts"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("See e.g. Dr. Smith at approx. 3.5 km. Then go.", ["See e.g. Dr. Smith at approx. 3.5 km.", "Then go."]),
        ("Ada B. Byron wrote it. It has vitamin D. Eat.", ["Ada B. Byron wrote it.", "It has vitamin D.", "Eat."]),
        ("It works.[1] So does that. [2, 3] \"Yes.\" Good.", ["It works.", "So does that.", "\"Yes.\"", "Good."]),
        ("# Title\n\n- first item\n- **second** item\n  1. third", ["first item", "second** item", "third"]),
        ("Run:\n```sh\nrm -rf x. Then y.\n```\nDone it is.", ["Run:", "Done it is."]),
        ("| a | b |\n|---|---|\n| one | two |", ["a | b", "one | two"]),
        ("一つ目。二つ目。", ["一つ目。", "二つ目。"]),
        ("~~~\ncode", []),
        ("", []),
        ("...", []),
    ],
)  # fmt: skip
def test_answer_is_split_into_sentences(answer: str, parts: list[str]) -> None:
    assert texts(answer) == parts


@pytest.mark.parametrize(
    "text",
    [
        "Sure, I can help with that.", "Hello!", "Is there anything else?", "According to the documents:",
        "I don\u2019t know.", "I'm not sure how long it takes.", "The documents do not mention the price.",
        "The provided context doesn't specify who may apply.", "There is no information about that.",
        "Let me know if you need more.", "I hope this helps!", "Here are the steps:", "OK.",
        "Unfortunately, I could not find it.", "Based on the passages, I cannot say.",
    ],
)  # fmt: skip
def test_what_claims_nothing_is_left_alone(text: str) -> None:
    assert [each.claims for each in sentences(text)] == [False]


@pytest.mark.parametrize(
    "text",
    [
        "I can confirm that it takes 24 hours.", "The document must be signed.",
        "Sure signs are fever and a cough: see a doctor.",
        "According to the documents, refunds take 30 days.", "The contract does not end in May.", "It costs 5.",
    ],
)  # fmt: skip
def test_what_claims_something_is_examined(text: str) -> None:
    assert [each.claims for each in sentences(text)] == [True]


def test_places_are_those_of_the_answer() -> None:
    answer = "  - One thing. [1]\n  - *Another* thing is so.\n"
    assert [answer[each.start : each.end] for each in sentences(answer)] == ["One thing. [1]", "*Another* thing is so."]


@pytest.mark.parametrize(
    "text",
    ["." * 500_000, ".)" * 250_000, "a. " * 200_000, "[1," * 200_000, "> " * 300_000, "\u200b" * 500_000, "1" * 500_000,
     "```\n" * 100_000, "\ud800\x00. " * 100_000, "a.[1]" * 100_000, " " * 500_000, "| " * 200_000],
)  # fmt: skip
async def test_odd_texts_take_linear_time_and_raise_nothing(text: str) -> None:
    started = time.perf_counter()
    assert len(sentences(text)) <= MAX_SENTENCES
    rail = GroundednessRail(GroundednessSettings(), Words())
    await rail.examine([text], Context(passages=(text[:50_000], *PASSAGES), question=text[:1000]))
    assert time.perf_counter() - started < 8


def test_set_is_whole_and_halved_by_passages() -> None:
    rows = load_answered()
    assert len(rows) >= 120
    training = {row.passages for row in rows if row.is_for_training}
    test = {row.passages for row in rows if not row.is_for_training}
    assert not training & test
    assert min(len(training), len(test)) >= 15


def test_measuring_counts_each_sentence_once() -> None:
    measured = Measured()
    for is_unsupported, is_found in ((True, True), (True, False), (False, True), (False, False)):
        measured.add("s", is_unsupported, is_found)
    assert (measured.claims, measured.precision, measured.recall) == (4, 0.5, 0.5)
    rows = load_answered()
    assert measure_by_marks(rows).unsupported == sum(len(row.unsupported) for row in rows)
