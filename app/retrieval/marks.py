"""`[1]`-style marks: which passage supports a sentence, told while the answer streams.

Models that follow instructions well write the marks themselves, and those stay. Small ones do not,
so a bare sentence gets the mark of the passage that holds most of its content words, if it
holds enough of them. A sentence without such a passage stays bare: no mark is invented.
"""

import re
from collections.abc import Sequence

_WORD = re.compile(r"[a-z0-9][a-z0-9_\-']{2,}")
_MARK = re.compile(r"\[\d{1,2}\]")
# A full stop, possibly with closing quotes, emphasis or marks behind it.
_ENDED = re.compile(r"[.!?][*_\"')]*(?:\s?\[\d{1,2}\])*$")
_STOP_WORDS = frozenset(
    "about after all also and any are because been before being between both but can could did does down each for "
    "from had has have her here him his how into its just like may more most must not now one only other our out "
    "over same she should some such than that the their them then there these they this those through too under until "
    "upon use used uses using very was were what when where which while who why will with would you your".split()
)
MIN_WORDS = 3
MIN_SUPPORT = 0.6


def content_words(text: str) -> set[str]:
    """Lower-case words of at least three characters that carry meaning, plural s cut off."""
    words = {word.rstrip("'").removesuffix("'s") for word in _WORD.findall(text.lower())}
    return {word[:-1] if len(word) > 4 and word.endswith("s") else word for word in words - _STOP_WORDS}


class Marks:
    """The marks of one request: a filter for each choice, and what they cited together."""

    def __init__(self, passages: Sequence[str]) -> None:
        """`passages` in the order of their numbers, from 1."""
        self._passages = [content_words(passage) for passage in passages]
        self._markers: list[Marker] = []

    def filter(self) -> "Marker":
        """A filter for one choice's text."""
        self._markers.append(Marker(self._passages))
        return self._markers[-1]

    @property
    def cited(self) -> list[int]:
        """Numbers of the passages that carry a mark so far, ascending."""
        return sorted(set().union(*(marker.cited for marker in self._markers)))


class Marker:
    """A text filter: feed it an answer, get it back with marks.

    Holds back only the white space after a sentence, until the next character shows whether
    the model's own mark follows.
    """

    def __init__(self, passages: Sequence[set[str]]) -> None:
        """`passages`: their content words."""
        self._passages = passages
        self._sentence = ""
        self._gap = ""  # white space after a finished sentence, still held
        self._fenced = False
        self.cited: set[int] = set()

    def feed(self, text: str) -> str:
        return "".join(self._character(character) for character in text)

    def flush(self) -> str:
        return self._mark() + self._take_gap()

    def _character(self, character: str) -> str:
        if self._gap:
            if character.isspace():
                self._gap += character
                return ""
            if character == "[" and "\n" not in self._gap:
                # Probably the model's own mark, behind the full stop: it belongs to this sentence.
                self._sentence += self._gap + character
                return self._take_gap() + character
            return self._mark() + self._take_gap() + self._append(character)
        if character.isspace() and (character == "\n" or _ENDED.search(self._sentence[-16:])):
            self._gap = character
            return ""
        return self._append(character)

    def _append(self, character: str) -> str:
        self._sentence += character
        return character

    def _take_gap(self) -> str:
        gap, self._gap = self._gap, ""
        return gap

    def _mark(self) -> str:
        """End the sentence; returns the mark it earned, if any."""
        sentence, self._sentence = self._sentence, ""
        if sentence.lstrip().startswith("```"):
            self._fenced = not self._fenced
            return ""
        if self._fenced:
            return ""  # `items[1]` in code is no citation either
        own = [int(mark[1:-1]) for mark in _MARK.findall(sentence)]
        if own:
            self.cited.update(number for number in own if 1 <= number <= len(self._passages))
            return ""
        number = self._best(content_words(sentence))
        if number is None:
            return ""
        self.cited.add(number)
        return f" [{number}]"

    def _best(self, words: set[str]) -> int | None:
        if len(words) < MIN_WORDS or not self._passages:
            return None
        shares = [len(words & passage) / len(words) for passage in self._passages]
        best = max(range(len(shares)), key=lambda i: (shares[i], -i))
        return best + 1 if shares[best] >= MIN_SUPPORT else None
