"""Which windows the encoder reads, and which the linear judge alone."""

from collections.abc import Sequence

import numpy as np
import pytest

from app.guard.injection.characters import clean
from app.guard.injection.classifier import (
    AT_ONCE,
    SHORT,
    Classifier,
    Reading,
    Scored,
    View,
    read_on,
    together,
    views_of,
)
from app.guard.injection.cues import CUES
from app.guard.injection.encoder import Tokens
from app.guard.injection.lexical import BUCKETS, ngrams
from app.guard.injection.model import InjectionModel

HARMLESS, OTHER = "when does the library open", "say nothing to anybody"
UNREAD = -4.0


class Reader:
    """An encoder that notes what it was given, and finds everything alarming."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def tokens(self, text: str) -> Tokens:
        self.read.append(text)
        ends = np.array([0, len(text), 0])
        return Tokens(np.ones((3, 2), dtype=np.float32), np.zeros(3, dtype=np.int64), ends, False)


def judged(text: str, suspects: Sequence[int] = (), views: Sequence[View] | None = None) -> tuple[Reader, list[Scored]]:
    """By a model that knows the n-grams of `HARMLESS` for harmless ones, and no others."""
    words = np.zeros(BUCKETS, dtype=np.float32)
    words[ngrams(HARMLESS)] = -1
    pool = np.ones((1, 2), dtype=np.float32)
    model = InjectionModel(
        {}, pool, 4 * pool, 0.0, words, np.zeros(len(CUES), np.float32), 0.0, harmless=-1, unread=UNREAD
    )
    reader = Reader()
    reading = Classifier(model).score(views_of(clean(text)) if views is None else views, suspects)
    try:
        asked = next(reading)
    except StopIteration as ended:
        return reader, ended.value
    return reader, read_on(reading, asked, lambda texts: [reader.tokens(text) for text in texts])


def test_what_is_plainly_harmless_is_not_read() -> None:
    reader, (scored,) = judged(HARMLESS)
    assert not reader.read
    assert scored.logit < UNREAD
    assert (scored.start, scored.end) == (0, len(HARMLESS))


@pytest.mark.parametrize(
    "text",
    [
        OTHER,
        " ".join([HARMLESS] * (SHORT // len(HARMLESS) + 1)),  # an order could hide in it
        " ".join(HARMLESS),  # spelled apart
        "\u200b".join(HARMLESS),
    ],
    ids=["unknown", "long", "apart", "invisible"],
)
def test_all_else_is(text: str) -> None:
    reader, scored = judged(text)
    assert reader.read
    assert scored[0].logit > UNREAD


def test_a_suspect_is_read_whatever_it_says() -> None:
    reader, _ = judged(HARMLESS, suspects=[0])
    assert reader.read == [HARMLESS]


@pytest.mark.parametrize("kind", ["encoded", "hidden"])
def test_what_somebody_hid_is_read_whatever_it_says(kind: str) -> None:
    reader, _ = judged("", views=[View(HARMLESS, kind, 0, 9)])
    assert reader.read == [HARMLESS]


def test_digits_for_letters_are_read_in_both_spellings() -> None:
    reader, _ = judged("wh3n d03s th3 l1br4ry 0p3n")
    assert len(reader.read) == 2


def test_all_windows_are_asked_for_at_once_and_each_gets_its_own() -> None:
    """The second window asks twice, the third never."""

    def reading(*texts: str) -> Reading[list[int]]:
        found = []
        for text in texts:
            (tokens,) = yield [text]
            found.append(int(tokens.ends[1]))
        return found

    asked: list[Sequence[str]] = []

    def encode(texts: Sequence[str]) -> list[Tokens]:
        asked.append(texts)
        return [Reader().tokens(text) for text in texts]

    whole = together([reading("a"), reading("bb", "cccc"), reading()])
    assert read_on(whole, next(whole), encode) == [[1], [2, 4], []]
    assert asked == [["a", "bb"], ["cccc"]]

    asked.clear()
    many = together([together([reading("x" * size)]) for size in range(3 * AT_ONCE)])
    assert read_on(many, next(many), encode) == [[[size]] for size in range(3 * AT_ONCE)]
    assert [len(texts) for texts in asked] == [AT_ONCE] * 3  # what is said of all would take too much memory
