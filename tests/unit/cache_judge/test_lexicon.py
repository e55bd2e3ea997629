"""Which words are words, and which of two spellings is a slip."""

import pytest

from app.cache.judge.alignment import TYPO, items_of, relation
from app.cache.judge.lexicon import load_lexicon
from app.cache.judge.words import read


@pytest.mark.parametrize("word", ["avocado", "avocados", "cholesterol", "python", "buttressed", "stopped"])
def test_words_and_forms_of_them_are_known(word: str) -> None:
    assert load_lexicon().knows(word)


@pytest.mark.parametrize("word", ["avacado", "cholestrol", "pyhton", "qqzzy", "", "xs"])
def test_what_is_no_word_is_not_known(word: str) -> None:
    assert not load_lexicon().knows(word)


@pytest.mark.parametrize(
    ("one", "other", "is_slip"),
    [
        ("avocado", "avacado", True),
        ("cholesterol", "cholestrol", True),
        ("Python", "Pyhton", True),
        ("subscription", "subcription", True),
        ("prednisone", "prednisolone", False),  # both are words
        ("Austria", "Australia", False),
        ("Kafka", "Kafko", False),  # a short name with another letter may be another name
        ("hypertension", "hypotension", False),
    ],
)
def test_a_slip_is_told_from_another_word(one: str, other: str, is_slip: bool) -> None:
    (first,), (second,) = (items_of(read(f"about {word}")) for word in (one, other))
    assert (relation(first, second) == TYPO) is is_slip
