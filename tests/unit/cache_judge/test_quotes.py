"""Quotations are what a question is about."""

import pytest

from app.cache.judge.literal.directions import directions_differ
from app.cache.judge.literal.quotes import quotes_differ
from app.cache.judge.seen import Seen, see
from tests.unit.cache_judge.fakes import WordEmbedder

EMBEDDER = WordEmbedder()


def look(text: str) -> Seen:
    return see(text, EMBEDDER.token_vectors(text))


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ('What does "by any chance" mean?', 'What does "if possible" mean?', "entity"),
        ("Was heißt „bitte“ auf Dänisch?", "Was heißt „danke“ auf Dänisch?", "entity"),
        ('What does "by any chance" mean?', "what does “By any chance?” mean", ""),
        ('What does "by any chance" mean?', "What does by any chance mean?", ""),
        ('Is "a" before "b"?', 'Is "b" after "a"?', ""),
    ],
)
def test_other_quotations_are_other_questions(a: str, b: str, reason: str) -> None:
    assert quotes_differ(look(a), look(b)) == reason
    assert quotes_differ(look(b), look(a)) == reason


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ("How do I move songs from Spotify to Apple Music?", "How do I bring songs into Spotify?", "direction"),
        ("How do I move songs from Spotify?", "How do I get my songs from Spotify?", ""),
        ("How do I get from Rome to Milan?", "How do I get to Milan from Rome?", ""),
    ],
)
def test_a_name_is_left_or_come_to(a: str, b: str, reason: str) -> None:
    assert directions_differ(look(a), look(b)) == reason
    assert directions_differ(look(b), look(a)) == reason
