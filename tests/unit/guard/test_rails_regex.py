"""Expressions: found however they are dressed up, in time linear in the text."""

import time
from itertools import pairwise

import pytest

from app.config.policy import RegexSettings
from app.guard.policy_rails.regex import RegexRail
from app.guard.types import Hit

RAIL = RegexRail(RegexSettings(patterns={"weapon": r"\bbombs?\b", "code": r"PRJ-\d{4}", "coffee": "caf\u00e9"}))


def found(text: str) -> list[tuple[str, str]]:
    return [(hit.rule, text[hit.start : hit.end]) for hit in RAIL.examine([text])[0]]


def test_every_match_is_a_hit_with_its_span() -> None:
    assert found("a Bomb, two bombs and prj-1234") == [("weapon", "Bomb"), ("weapon", "bombs"), ("code", "prj-1234")]
    assert RAIL.examine(["", "bombastic", "a bomb"]) == [[], [], [Hit("weapon", 1.0, 2, 6)]]


def test_spans_count_characters_not_bytes() -> None:
    text = "\u4f60\u597d \U0001f600 caf\u00e9 bomb \u00e9 bomb"
    assert found(text) == [("weapon", "bomb"), ("weapon", "bomb"), ("coffee", "caf\u00e9")]


@pytest.mark.parametrize(
    "dressed",
    [
        "b\u200bomb",
        "b" + "\u200b" * 1000 + "omb",
        "bo\u00admb",
        "\uff22\uff2f\uff2d\uff22",
        "b\ud800omb",
        "b\x00omb",
        "b\u0301om\u0336b",
        "b\u043emb",  # Cyrillic
        "\U0001d41bomb",  # a mathematical letter
    ],
)
def test_dressing_up_is_no_bypass(dressed: str) -> None:
    text = f"a {dressed} here"
    assert [rule for rule, _ in found(text)] == ["weapon"]
    assert found(text)[0][1] == dressed


def test_an_accented_word_is_found_composed_decomposed_and_interrupted() -> None:
    for text in ("caf\u00e9", "cafe\u0301", "ca\u200bfe\u0301"):
        assert found(text) == [("coffee", text)]
    assert found("cafe") == []


def test_case_counts_where_it_is_said_to() -> None:
    rail = RegexRail(RegexSettings(patterns={"code": "ABC"}, ignore_case=False))
    assert [len(hits) for hits in rail.examine(["abc", "ABC"])] == [0, 1]


@pytest.mark.parametrize("expression", ["(a+)+$", "(a|aa)+$", "(.*)*x", "([a-z]+)*!", "(a|a?)+c"])
def test_evil_expressions_take_linear_time(expression: str) -> None:
    rail = RegexRail(RegexSettings(patterns={"evil": expression}))
    started = time.thread_time()
    rail.examine(["a" * 100_000 + "\n!b"])
    assert time.thread_time() - started < 1


def test_more_matches_than_are_counted_end_in_one_hit_for_the_rest() -> None:
    text = "bomb " * 100_000
    started = time.thread_time()
    hits = RAIL.examine([text])[0]
    assert time.thread_time() - started < 1
    assert len(hits) == 200
    assert hits[-1] == Hit("weapon", 1.0, 199 * 5, len(text))
    assert all(a.end <= b.start for a, b in pairwise(hits))


def test_each_match_may_need_the_rest_of_the_text() -> None:
    rail = RegexRail(RegexSettings(patterns={"far": "a(?:.*b)?"}))  # all matches: quadratic, in RE2 too
    started = time.thread_time()
    assert len(rail.examine(["a" * 1_000_000])[0]) == 200
    assert time.thread_time() - started < 3


def test_expressions_do_not_run_into_each_other() -> None:
    rail = RegexRail(RegexSettings(patterns={"quoted": r"\Qa.b", "either": "x|y", "flagged": "(?-i)Z"}))
    assert [[h.rule for h in hits] for hits in rail.examine(["a.b", "axb", "z", "Z"])] == [
        ["quoted"],
        ["either"],
        [],
        ["flagged"],
    ]


def test_a_match_between_characters_has_a_span() -> None:
    rail = RegexRail(RegexSettings(patterns={"edge": r"\b"}))
    assert rail.examine(["hi"])[0] == [Hit("edge", 1.0, 0, 1), Hit("edge", 1.0, 1, 2)]


def test_the_version_is_that_of_what_is_found() -> None:
    base = RegexSettings(patterns={"a": "x"})
    assert RegexRail(base).version == RegexRail(base.model_copy(update={"mode": "flag", "threshold": 0.9})).version
    assert RegexRail(base).version != RegexRail(RegexSettings(patterns={"a": "y"})).version


@pytest.mark.parametrize(
    "text", ["\ud800" * 100_000, "\x00" * 100_000, "0" * 1_000_000, "\u200b" * 1000, "<" * 100_000]
)
def test_bad_texts_are_no_hits(text: str) -> None:
    assert RAIL.examine([text]) == [[]]
