"""The judge with its shipped model, on vectors of words: what holds whatever the vectors say."""

import time

import pytest

from app.cache.judge import PairJudge, load_judge
from tests.unit.cache_judge.fakes import WordEmbedder


@pytest.fixture(scope="module")
def judge() -> PairJudge:
    return load_judge(WordEmbedder())


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("How do I reset my password?", "How do I reset my password?"),
        ("How do I reset my password?", "hi, how do i reset my password please"),
        ("What's the colour of jade?", "What is the color of jade?"),
        ("How do I lower my cholesterol?", "how do i lower my cholestrol"),
        ("How do I reverse a list in Python?", "How do I reverse a list in Pyhton?"),
        ("Is 20kg allowed on 3 June?", "is 20 kg allowed on June 3rd?"),
        ("What's the difference between an RFQ and an RFP?", "what is the difference between an RFP and an RFQ"),
    ],
)
def test_the_same_words_are_a_hit(judge: PairJudge, a: str, b: str) -> None:
    verdict = judge.judge(a, b)
    assert verdict.score >= judge.min_score
    assert verdict.reason == ""


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ("How do I enable dark mode?", "How do I disable dark mode?", "antonym"),
        ("Pancakes with eggs for 2 people", "Pancakes with eggs for 4 people", "number"),
        ("What happened on 3 May 1945?", "What happened on 3 June 1945?", "date"),
        ("Pizza dough recipe with yeast", "Pizza dough recipe without yeast", "negation"),
        ("Who won the 2018 world cup final?", "Who won the 2014 world cup final?", "number"),
        ("Who wrote the book Dune?", "When was the book Dune written?", "question"),
        ("Who do I call if my pay is wrong?", "Write a mail that my pay is wrong.", "task"),
        ("How long is the bridge in metres?", "How long is the bridge in feet?", "unit"),
        ("Can I replace baking soda by baking powder?", "Can I replace baking powder by baking soda?", "direction"),
        ("How do I convert a string to an int in Go?", "In Go, how do I turn an int into a string?", "direction"),
        ("In Rome, what time is noon in Oslo?", "In Oslo, what time is noon in Rome?", "direction"),
    ],
)
def test_a_contrast_refuses_and_is_named(judge: PairJudge, a: str, b: str, reason: str) -> None:
    for one, other in ((a, b), (b, a)):
        verdict = judge.judge(one, other, 0.99)
        assert verdict.score < judge.min_score
        assert verdict.reason == reason


def test_a_pair_has_one_score_in_either_order(judge: PairJudge) -> None:
    pairs = [
        ("How tall is Everest?", "Everest's height?"),
        ("a b c", "c a"),
        ("flights from Rome to Bonn", "Bonn to Rome"),
    ]
    for a, b in pairs:
        assert judge.judge(a, b).score == pytest.approx(judge.judge(b, a).score)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "\ud800",
        "\x00\x07",
        "?",
        "🙂",
        "x" * 1_000_000,
        "a b " * 250_000,
        "1 " * 2000,
        "(" * 4000,
        "not " * 900,
    ],
    ids=range(11),
)
def test_strange_texts_are_judged_in_bounded_time(judge: PairJudge, text: str) -> None:
    started = time.perf_counter()
    for other in ("How tall is Everest?", text + "?", ""):
        verdict = judge.judge(text, other)
        assert 0 <= verdict.score <= 1
        assert (verdict.reason == "") == (verdict.score >= judge.min_score)
    assert judge.judge(text, text).score == 1
    assert time.perf_counter() - started < 10  # a hang, not a benchmark


def test_a_question_is_embedded_once() -> None:
    embedder = WordEmbedder()
    judge = load_judge(embedder)
    embedder.runs = 0
    for other in ("How high is Everest?", "Everest: height?", "How old is Everest?"):
        judge.judge("How tall is Everest?", other)
    assert embedder.runs == 4


@pytest.mark.parametrize(
    "pair", [(".5 kg in pounds?", ".7 kg in pounds?"), ("Hi, .5 kg in pounds?", "Hi, .7 kg in pounds?")]
)
def test_numbers_that_begin_with_their_point_are_numbers(judge: PairJudge, pair: tuple[str, str]) -> None:
    assert judge.judge(*pair).score < judge.min_score
