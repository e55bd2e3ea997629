"""Stretches of words that a text has copied from another.

Both are words after normalisation: case, punctuation, markup, white space and zero-width characters do not count. The
source is known by the hashes of its four-word sequences (shingles; Broder 1997, "On the resemblance and containment of
documents"), so a text is compared in linear time.
"""

import math
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass

SHINGLE = 4  # words
MAX_GAP = 2  # words of its own that a copy may have between two copied sequences
MAX_SOURCE_WORDS = 10_000  # of the source: about 60,000 characters

# A link or an address is one word: that both texts name it is no copy of eight. Bounds keep the time linear.
_WORD = re.compile(r"https?://[^\s<>\"')\]]+|www\.[^\s<>\"')\]]+|[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{1,190}|[^\W_]+")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
# How often two words of English text are the same: the sum of their squared shares, about 0.01 (`the`: 0.004).
_SAME_WORD = 0.01
# Words that say nothing of a prompt: half a word each. The most frequent ones of English.
_FREQUENT = frozenset(
    "a about all also an and any are as at be been but by can could do does for from had has have he her his how i "
    "if in into is it its like may me more must my no not of on one only or other our out s she should so some such "
    "t than that the their them then there these they this those to up us use was we what when where which who will "
    "with would you your".split()
)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text in order, normalised, and where each is in it."""

    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A copied stretch: `start` to `end` in characters, and how many words it counts for (frequent ones half)."""

    start: int
    end: int
    words: float


def split(text: str, most: int | None = None) -> Words:
    """The words of a text, at most `most` of them."""
    places: list[int] | None = None
    if _INVISIBLE.search(text):
        places = [index for index, character in enumerate(text) if not _INVISIBLE.match(character)]
        text = "".join([text[index] for index in places])
    words: list[str] = []
    spans: list[tuple[int, int]] = []
    for match in _WORD.finditer(text):
        word, (start, end) = match.group(), match.span()
        words.append(word.lower() if word.isascii() else unicodedata.normalize("NFKC", word).casefold())
        spans.append((start, end) if places is None else (places[start], places[end - 1] + 1))
        if len(words) == most:
            break
    return Words(tuple(words), tuple(spans))


def shingles(words: Sequence[str], length: int = SHINGLE) -> list[int]:
    """The hash of the sequence that begins at each word; the last `length - 1` begin none."""
    return list(map(hash, zip(*(words[start:] for start in range(length)), strict=False)))


def stretches(text: Words, source: Collection[int], explained: Sequence[Collection[int]]) -> list[Stretch]:
    """What `text` shares with a source, by the source's shingles. Words in a shingle of `explained` count nothing."""
    copied, known = bytearray(len(text.words)), bytearray(len(text.words))
    for start, shingle in enumerate(shingles(text.words)):
        if shingle in source:
            copied[start : start + SHINGLE] = b"\1" * SHINGLE
        if any(shingle in each for each in explained):
            known[start : start + SHINGLE] = b"\1" * SHINGLE
    found: list[Stretch] = []
    for first, last in _runs(copied):
        words = [text.words[i] for i in range(first, last) if copied[i] and not known[i]]
        # "no no no no" is no longer than "no no".
        worth = min(sum(map(_worth, words)), 2 * sum(map(_worth, set(words))))
        found.append(Stretch(text.spans[first][0], text.spans[last - 1][1], worth))
    return found


def _worth(word: str) -> float:
    return 0.5 if word in _FREQUENT else 1.0


def _runs(marked: bytearray) -> list[tuple[int, int]]:
    """Ranges of marked words; those with at most MAX_GAP others between them are one."""
    runs: list[tuple[int, int]] = []
    at = marked.find(1)
    while at >= 0:
        end = marked.find(0, at)
        end = len(marked) if end < 0 else end
        if runs and at - runs[-1][1] <= MAX_GAP:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((at, end))
        at = marked.find(1, end)
    return runs


def by_chance(text_words: int, source_words: int) -> float:
    """How long the longest common sequence of two unrelated texts is, in words.

    The longest common run of two random sequences grows as log(m n) / log(1/p), p the chance that two words are the
    same (Arratia and Waterman 1985, "An Erdős-Rényi law with shifts").
    """
    return math.log(max(1, text_words) * max(1, source_words)) / -math.log(_SAME_WORD)
