"""Diversity, and passages that say the same."""

import numpy as np

from app.retrieval.search.mmr import mmr, without_repeats
from tests.unit.search.made import candidate

SAME = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)


def test_without_diversity_the_best_are_taken() -> None:
    assert mmr([0.9, 0.8, 0.5], SAME, 2, 0) == [0, 1]


def test_with_diversity_the_second_is_another_one() -> None:
    assert mmr([0.9, 0.8, 0.5], SAME, 2, 0.5) == [0, 2]


def test_no_more_than_there_is_and_none_twice() -> None:
    assert mmr([0.1, 0.9, 0.5], SAME, 9, 1.0) in ([1, 2, 0], [0, 2, 1])
    assert mmr([], np.zeros((0, 2), np.float32), 3, 0.5) == []


def kept(*texts: str) -> list[int]:
    return without_repeats([candidate(text, document=str(at)) for at, text in enumerate(texts)])


LONG = " ".join(f"word{letter} and" for letter in "abcdefghijklmnopqrstuvw")


def test_the_same_text_is_kept_once_whatever_its_white_space() -> None:
    assert kept("Refunds take days.", "Another thing.", "Refunds  take\ndays.") == [0, 1]


def test_nearly_the_same_is_a_repeat() -> None:
    assert kept(LONG, f"{LONG} more") == [0]
    assert kept(LONG, LONG[: len(LONG) // 2]) == [0, 1]


def test_another_number_is_another_statement() -> None:
    assert kept(f"{LONG} takes 5 days", f"{LONG} takes 9 days") == [0, 1]
    assert kept() == []
