"""A text without what hides words from a rail: invisible characters, styled letters, marks that belong to no letter."""

import re
import unicodedata
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_ODD = re.compile(r"[\x20-\x7e]?[^\t\n\r\x20-\x7e]+")
# Blank letters, and ignorable characters that are neither Cf nor unassigned.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
# Marks on one letter. Unicode's stream-safe format (UAX #15) has 30, and what is above is noise: the standard library
# sorts the marks of a letter in quadratic time, 80,000 of them in 3 s.
MOST_MARKS = 30


class View:
    """`text`, and which part of the original any part of it stands for."""

    __slots__ = ("_ends", "_starts", "text")

    def __init__(self, text: str, starts: NDArray[np.int64] | None = None, ends: NDArray[np.int64] | None = None):
        """`starts` and `ends`: int64, shape (len(text),); of the original characters behind each. None: the same."""
        self.text = text
        self._starts, self._ends = starts, ends

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The original's characters for `start` to `end`, which must not be empty."""
        if self._starts is None or self._ends is None:
            return start, end
        return int(self._starts[start]), int(self._ends[end - 1])

    def reads(self, text: str) -> "View":
        """Another text of the same length in the place of this one's."""
        return View(text, self._starts, self._ends)

    @property
    def changed(self) -> bool:
        """Whether it is another text than the original."""
        return self._starts is not None


@lru_cache(maxsize=16384)
def _seen(character: str) -> str | None:
    """ "" for what is not seen, None for what joins the letter before it, and else what it is in NFKC."""
    category = unicodedata.category(character)
    if character in "\x85\u2028\u2029":
        return "\n"
    if category in ("Cf", "Cc", "Cs", "Cn") or character in _BLANK:
        return ""
    if "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef":  # variation selectors
        return ""
    if category in ("Mn", "Me") or "\u1161" <= character <= "\u11ff" or character in "\u3099\u309a":
        return None
    return unicodedata.normalize("NFKC", character)


@lru_cache(maxsize=16384)
def _joined(letters: str) -> str:
    """A letter with its marks, in NFKC. Of a Latin letter only those marks stay that Unicode has the letter with."""
    composed = unicodedata.normalize("NFKC", letters)
    if letters[0] < "\u0250":
        return "".join(c for c in composed if not unicodedata.combining(c)) or composed
    return composed


def plain(text: str) -> View:
    """The text in NFKC, without invisible characters, lone surrogates and controls. Linear in its length."""
    if text.isascii() and text.isprintable():
        return View(text)
    pieces: list[str] = []
    starts: list[NDArray[np.int64]] = []
    ends: list[NDArray[np.int64]] = []
    at = 0
    for odd in _ODD.finditer(text):
        if at < odd.start():
            pieces.append(text[at : odd.start()])
            starts.append(np.arange(at, odd.start()))
            ends.append(starts[-1] + 1)
        _fold(text, odd.start(), odd.end(), pieces, starts, ends)
        at = odd.end()
    if not starts:
        return View(text)
    pieces.append(text[at:])
    starts.append(np.arange(at, len(text)))
    ends.append(starts[-1] + 1)
    folded = "".join(pieces)
    return View(folded, np.concatenate(starts), np.concatenate(ends)) if folded != text else View(text)


def _fold(
    text: str, at: int, end: int, pieces: list[str], starts: list[NDArray[np.int64]], ends: list[NDArray[np.int64]]
) -> None:
    first: list[int] = []
    last: list[int] = []
    letter = folded = ""  # the letter at hand with its marks, and what it became
    begun = until = at

    def close() -> None:
        became = folded if len(letter) == 1 else _joined(letter)
        pieces.append(became)
        first.extend([begun] * len(became))
        last.extend([until] * len(became))

    for index in range(at, end):
        character = text[index]
        seen = _seen(character)
        if seen == "":
            continue
        if seen is None and letter:
            if len(letter) <= MOST_MARKS:
                letter += character
            until = index + 1
            continue
        if letter:
            close()
        letter, folded = character, character if seen is None else seen
        begun, until = index, index + 1
    if letter:
        close()
    starts.append(np.array(first, dtype=np.int64))
    ends.append(np.array(last, dtype=np.int64))
