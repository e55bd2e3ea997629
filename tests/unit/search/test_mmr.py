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


PRICE = "10 EUR per month."


def kept_under(*places: tuple[str, str], text: str = PRICE) -> list[int]:
    """Of passages with this text, each under a title and a heading."""
    return without_repeats(
        [candidate(text, document=str(at), title=title, heading=heading) for at, (title, heading) in enumerate(places)]
    )


def test_the_same_text_under_another_heading_is_another_statement() -> None:
    a, b, again = ("Prices", "Prices > Plan A"), ("Prices", "Prices > Plan B"), ("Prices", "prices >  plan b")
    for text in (PRICE, LONG):
        assert kept_under(a, b, a, again, text=text) == [0, 1]


def test_a_short_text_of_another_title_is_another_statement() -> None:
    assert kept_under(("Plan A", ""), ("Plan B", ""), ("plan a", "")) == [0, 1]
    assert kept_under(("Prices 2025", ""), ("Prices 2026", ""), text=LONG) == [0, 1]


def test_a_copy_that_differs_in_its_title_alone_is_a_repeat() -> None:
    """Files are copied under other names, and the name is part of the title."""
    assert kept_under(("handbook", "Leave > Parents"), ("handbook final", "Leave > Parents"), text=LONG) == [0]
