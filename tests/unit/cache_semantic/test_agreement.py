"""When two answers say the same."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from app.cache.semantic.agreement import Agreement, contradicts, normalised, said
from app.config.cache import AgreementConfig


async def no_embedding(texts: Sequence[str]) -> NDArray[np.float32]:
    raise AssertionError("not asked for")


def embedding(cosine: float) -> Agreement:
    async def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[1, 0], [cosine, (1 - cosine**2) ** 0.5]], dtype=np.float32)

    return Agreement(AgreementConfig(method="embedding", threshold=0.85), embed)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Paris.", "paris"),
        ("**Paris** is the capital.", "Paris is the capital"),
        ("- one\n- two", "1. one\n2. two"),
        ("1,000 euros", "1000 euros"),
        ("It is 3.0.", "it is 3"),
        ("See [the docs](https://a.example/b).", "see the docs"),
        ("`ls -la`", "ls -la"),
        ("  spaced\n\nout ", "spaced out"),
    ],
)
async def test_form_makes_no_difference(first: str, second: str) -> None:
    agreement = Agreement(AgreementConfig(method="equality"), no_embedding)
    assert await agreement.same("?", first, second) is True


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("3.5", "35"),
        ("10%", "10"),
        ("-5", "5"),
        ("€5", "$5"),
        ("1.000", "1000.1"),
        ("Paris", "Lyon"),
        ("1,00", "100"),
        ("C++", "C"),
        ("a < b", "a > b"),
    ],
)
def test_what_changes_the_sense_stays(first: str, second: str) -> None:
    assert normalised(first) != normalised(second)


async def test_equality_alone_calls_other_words_different() -> None:
    agreement = Agreement(AgreementConfig(method="equality"), no_embedding)
    assert await agreement.same("?", "It is Paris.", "The capital is Paris.") is False


async def test_similar_answers_agree_from_the_threshold_on() -> None:
    assert await embedding(0.86).same("?", "It is Paris.", "The capital is Paris.") is True
    assert await embedding(0.84).same("?", "It is Paris.", "The capital is Paris.") is False


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Yes, you can return it.", "No, you can't return it."),
        ("You have 30 days.", "You have 14 days."),
        ("The fee is 3.5 euros", "The fee is 35 euros"),
        ("True", "False"),
    ],
)
async def test_a_certain_contradiction_is_different_however_similar(first: str, second: str) -> None:
    assert await embedding(0.99).same("?", first, second) is False


def test_other_numbers_on_both_sides_contradict_and_one_side_alone_does_not() -> None:
    filler = " ".join(["word"] * 50)
    assert contradicts(f"{filler} 30", f"{filler} 14")
    assert not contradicts("30 days, at most 31", "30 days")
    assert not contradicts("30 days", "a month")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("You can cancel at any time.", "You cannot cancel at any time."),
        ("It is safe with alcohol.", "It is not safe with alcohol."),
        ("x = y", "x = -y"),
        ("Use `a[0]`", "Use `a(0)`"),
        ("Python 3.1", "Python 3.10"),
        ("192.168.0.1", "192.168.0.10"),
        ("Without a fee.", "With a fee."),
    ],
)
async def test_what_one_sign_or_word_turns_round_is_not_the_same(first: str, second: str) -> None:
    assert await embedding(0.99).same("?", first, second) is False


async def test_an_empty_answer_gives_no_label() -> None:
    assert await embedding(1).same("?", "", "Paris") is None
    assert await embedding(1).same("?", "**", "Paris") is None


@pytest.mark.parametrize(
    ("words", "label"),
    [
        ("SAME", True),
        ("same.", True),
        ("**DIFFERENT**", False),
        ("The answers are different.", False),
        ("SAME or DIFFERENT", None),
        ("NOT SAME", None),
        ("", None),
        ("I cannot say", None),
    ],
)
def test_a_model_that_says_neither_gives_no_label(words: str, label: bool | None) -> None:
    assert said(words) is label


async def test_a_model_is_shown_the_question_and_both_answers() -> None:
    asked = []

    async def ask(prompt: str) -> str:
        asked.append(prompt)
        return "SAME"

    agreement = Agreement(AgreementConfig(method="model", model="judge"), no_embedding, ask)
    assert await agreement.same("capital {of} France?", "It is Paris.", "Paris, of course") is True
    for text in ("capital {of} France?", "It is Paris.", "Paris, of course"):
        assert text in asked[0]


def test_a_model_method_without_a_model_is_refused() -> None:
    with pytest.raises(ValueError, match="model to ask"):
        Agreement(AgreementConfig(method="model"), no_embedding)
