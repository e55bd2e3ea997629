"""Names of people: spaCy's recognizer, a table of names, and the words around, weighed by a small linear model.

The recognizer of a small pipeline misses names that are rare in news texts, alone or written small, and takes products
for people. So each word that may belong to a name gets features (its case, what the table knows of it, what the
recognizer says, what kinds of words stand beside it), and a logistic regression decides, from left to right. Its
weights come from `jobs/train_names.py`, and from the training half of `evals/guard/pii` alone.
"""

# ruff: noqa: RUF001 - forms and lists of words read best on one line, and hold signs of all scripts

import functools
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from app.guard.names import Names, Reading
from app.guard.pii.cues import BRANDS, KINDS, PARTICLES, PHRASES, THINGS
from app.guard.pii.east_asian import find_east_asian
from app.guard.pii.gazetteer import GIVEN, PLACE, SURNAME, WORD, names
from app.guard.pii.words import CASELESS, MIXED, SMALL, TITLE, UPPER, Word, words_of
from app.guard.types import Hit

WEIGHTS_FILE = Path(__file__).with_name("people.json")

ENTITY = "PERSON"
# Taken off each word's logit, so that a score of 0.5 is where cross-validation on the training half found precision
# and recall nearest to each other (0.62 before).
CAUTION = 0.45
_NAMES = GIVEN | SURNAME
_SURE_CUES = ("title", "intro", "field", "relation", "greeting")


class People:
    """Finds names in texts. Thread-safe."""

    def __init__(self, names: Names, weights: dict[str, float]) -> None:
        self._names = names
        self._weights = weights

    @classmethod
    @functools.lru_cache(maxsize=4)
    def load(cls, language_model: str) -> "People":
        """The same for the same pipeline, which all rails share. Raises ValueError when it is not installed."""
        from app.guard.analyzer import load_pipeline

        weights = json.loads(WEIGHTS_FILE.read_text()) if WEIGHTS_FILE.exists() else {}
        return cls(Names(load_pipeline(language_model)), weights)

    def find(self, texts: Sequence[str]) -> list[list[Hit]]:
        """The names in each text, in reading order."""
        readings = self._names.read(texts)
        return [[*self._found(text, reading)] for text, reading in zip(texts, readings, strict=True)]

    def _found(self, text: str, reading: Reading) -> Iterator[Hit]:
        words = words_of(text)
        scores = decide(text, words, reading, self._probability)
        _repeat(words, scores)
        yield from spans(words, scores)
        yield from find_east_asian(text)

    def _probability(self, _: int, features: Sequence[str]) -> float:
        weights = self._weights
        total = -CAUTION
        for feature in features:
            total += weights.get(feature, 0.0)
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


Decide = Callable[[int, Sequence[str]], float]


def decide(text: str, words: Sequence[Word], reading: Reading, probability: Decide) -> list[float]:
    """For each word the probability that it is a part of a name; `probability` gets its number and its features."""
    labels = _labels(words, reading)
    things = _things(words)
    margins = reading.margins
    scores = [0.0] * len(words)
    sentence = True
    for number, word in enumerate(words):
        if number and (any(sign in word.gap for sign in '.!?\n:"“•') or not word.gap.strip(" ")):
            sentence = any(sign in word.gap for sign in '.!?\n:"“•')
        previous = scores[number - 1] if number else 0.0
        if number not in things and _may_be(words, number, labels[number], previous):
            scores[number] = probability(
                number, [*_features(text, words, number, labels, margins.get(word.start), previous, sentence)]
            )
        sentence = False
    return scores


_LONGEST = max(map(len, PHRASES))
_BEGINNINGS = frozenset(phrase[0] for phrase in PHRASES)


def _things(words: Sequence[Word]) -> set[int]:
    """Words that are part of a known thing's name: Dr. Pepper, San Jose."""
    found: set[int] = set()
    for number, word in enumerate(words):
        if word.key in _BEGINNINGS and word.case != SMALL:
            keys = tuple(other.key for other in words[number : number + _LONGEST])
            for length in range(len(keys), 1, -1):
                if keys[:length] in PHRASES:
                    found.update(range(number, number + length))
                    break
    return found


def _repeat(words: Sequence[Word], scores: list[float]) -> None:
    """Who is a person in one place is one in the others: `Hamza: I asked Ann. Hamza`."""
    known = {word.key for word, score in zip(words, scores, strict=True) if score >= 0.8 and word.case != SMALL}
    for number, word in enumerate(words):
        if 0.1 < scores[number] < 0.6 and word.key in known:
            scores[number] = 0.6


def _labels(words: Sequence[Word], reading: Reading) -> list[str]:
    labels = [""] * len(words)
    at = 0
    for start, end, label in sorted(reading.entities):
        while at < len(words) and words[at].end <= start:
            at += 1
        number = at
        while number < len(words) and words[number].start < end:
            labels[number] = "PERSON" if label == "PER" else label
            number += 1
    return labels


def _may_be(words: Sequence[Word], number: int, label: str, previous: float) -> bool:
    """Whether a word can belong to a name at all: most words cannot, and cost nothing."""
    word = words[number]
    if word.in_code:
        return False
    if len(word.key) == 1 and previous < 0.5 and (number + 1 == len(words) or words[number + 1].case == SMALL):
        return False
    kind = KINDS.get(word.key)
    if kind in ("term", "foreign") and not word.flags & GIVEN:
        return False
    if word.case in (TITLE, UPPER):
        return kind != "function" or bool(word.flags & _NAMES)
    if label == "PERSON" and kind != "function":
        return True
    if word.case == CASELESS:
        return bool(word.flags & _NAMES) or (number > 0 and previous > 0.5)
    if word.case == MIXED:
        return bool(word.flags & _NAMES) or previous > 0.5
    if kind:
        return False
    if word.flags & _NAMES and not word.flags & WORD:
        return True
    return number > 0 and (previous > 0.5 or KINDS.get(words[number - 1].key) in _SURE_CUES) and len(word.gap) <= 3


def _table(word: Word) -> str:
    """What the table knows of a word, in a letter or two."""
    flags = word.flags
    name = ("B" if flags & GIVEN and flags & SURNAME else "G" if flags & GIVEN else "S") if flags & _NAMES else "-"
    if word.key in BRANDS:
        return name + "b"
    if word.key in KINDS:
        return name + "k"
    if flags & WORD or _inflected(word):
        return name + "w"
    return name + ("p" if flags & PLACE else "")


def _inflected(word: Word) -> bool:
    """Whether a word that the table lacks is a form of one that it has."""
    if word.flags:
        return False
    table, key = names(), word.key
    for suffix, stems in (
        ("s", ("",)),
        ("es", ("", "e")),
        ("ies", ("y",)),
        ("ing", ("", "e")),
        ("ed", ("", "e")),
        ("er", ("", "e")),
        ("ers", ("", "e")),
        ("ly", ("",)),
        ("ion", ("", "e")),
        ("ions", ("", "e")),
    ):
        if key.endswith(suffix) and len(key) > len(suffix) + 2:
            stem = key[: -len(suffix)]
            if any(table.get(stem + end, 0) & WORD for end in stems):
                return True
            if len(stem) > 3 and stem[-1] == stem[-2] and table.get(stem[:-1], 0) & WORD:
                return True
    return False


def _kind(word: Word) -> str:
    return KINDS.get(word.key, "")


def _neighbour(word: Word) -> str:
    """What kind of word stands beside."""
    kind = KINDS.get(word.key)
    if kind:
        return kind
    if word.key in THINGS:
        return "thing"
    if word.key in PARTICLES:
        return "particle"
    return f"{word.case}{_table(word)}"


def _gap(gap: str) -> str:
    """What stands between two words, in a letter."""
    if gap == " ":
        return "_"
    plain = gap.strip(" \t")
    if not plain:
        return "n" if "\n" in gap else "_"
    if "\n" in gap:
        return "n"
    if any(sign.isdigit() for sign in plain):
        return "d"
    return plain[-1] if plain[-1] in ",.:;!?()\"'’-–—/&<>[]{}|*#=+@“”" else "o"


def _features(
    text: str,
    words: Sequence[Word],
    number: int,
    labels: Sequence[str],
    margin: float | None,
    previous: float,
    sentence: bool,
) -> Iterator[str]:
    word = words[number]
    case, table = word.case, _table(word)
    label = labels[number]
    yield "bias"
    yield f"t{case}{table}"
    yield f"c{case}"
    yield f"T{table}"
    yield f"l{label}"
    yield f"lt{label}{table}"
    bucket = "?" if margin is None else str(max(-8, min(6, math.floor(margin / 2))))
    yield f"m{bucket}"
    yield f"mc{bucket}{case}"
    inside = previous > 0.5
    before = words[number - 1] if number else None
    gap = _gap(word.gap) if before else "^"
    yield f"g{gap}{case}"
    yield f"s{sentence:d}{table}"
    yield f"s{sentence:d}{case}"
    if before is None:
        yield "p^"
        yield f"pt^{table}"
    else:
        kind = _neighbour(before)
        joined = gap in "_-.:,\"'"
        yield f"p{kind}{gap if joined else '~'}"
        yield f"pc{kind}{case}"
        yield f"pt{kind if joined else '~'}{table}"
        yield f"i{inside:d}{gap}"
        yield f"it{inside:d}{gap if gap in '_-,.' else '~'}{case}{table}"
        if number > 1 and gap == "_":
            second = _kind(words[number - 2])
            yield f"q{second}{_kind(before)}"
            if before.case == SMALL:
                # our plumber Wade, a fitter: whoever does things.
                yield f"y{second}{before.key[-2:]}"
            if kind in ("possessive", "determiner", "place", "preposition"):
                yield f"pw{before.key}{case}"
                yield f"pq{kind}{table}"
    after = words[number + 1] if number + 1 < len(words) else None
    tail = text[word.end : word.end + 2]
    ending = (
        "'s" if tail in ("'s", "’s") else _gap(text[word.end : after.start] if after else text[word.end : word.end + 3])
    )
    yield f"e{ending}{case}"
    yield f"et{ending}{table}"
    if after is not None and ending in ("_", "-", "'s", ","):
        kind = _neighbour(after)
        yield f"n{kind}{ending}"
        yield f"nc{kind}{case}"
        yield f"nt{kind}{table}{inside:d}"
        yield f"nl{labels[number + 1]}{table}"
        if number + 2 < len(words) and after.case == TITLE:
            yield f"nn{_neighbour(words[number + 2])}"
    length = len(word.key)
    yield f"z{min(length, 4)}{case}"
    if length == 1:
        yield f"o{ending}{inside:d}"
    if not word.key.isascii():
        yield f"a{case}"
    if "-" in word.key or "'" in word.key or "’" in word.key:
        yield f"h{case}{table}"


# A word counts as a name's part from here on; what a hit's score is follows from its surest word.
LEAST = 0.3
_JOINED = {" ", "-", "\u00a0", ". ", ".", "  "}


def spans(words: Sequence[Word], scores: Sequence[float]) -> Iterator[Hit]:
    """Names of one or more words. Particles between two parts belong to them, and so does a comma between a surname
    and a given name that is not one of a list."""
    number = 0
    while number < len(words):
        if scores[number] < LEAST:
            number += 1
            continue
        first = last = number
        best = scores[number]
        ahead = number + 1
        while ahead < len(words) and ahead - last <= 3:
            word = words[ahead]
            joined = word.gap in _JOINED and (
                word.gap not in (". ", ".") or words[ahead - 1].end - words[ahead - 1].start <= 2
            )
            if not joined:
                break
            if scores[ahead] >= LEAST:
                last, best = ahead, max(best, scores[ahead])
            elif word.key not in PARTICLES:
                break
            ahead += 1
        if _is_turned(words, scores, first, last):
            last += 1
            best = max(best, scores[last])
        yield Hit(ENTITY, round(best, 3), words[first].start, words[last].end)
        number = last + 1


def _is_turned(words: Sequence[Word], scores: Sequence[float], first: int, last: int) -> bool:
    """Whether a given name follows behind a comma: `Garcia, Maria`, not `Tom, Dick and Harry`."""
    after = last + 1
    return (
        first == last
        and after < len(words)
        and scores[after] >= 0.5
        and words[after].gap == ", "
        and bool(words[first].flags & SURNAME or any(sign in words[first].gap for sign in ":\n=") or not first)
        and not words[first].flags & GIVEN
        and bool(words[after].flags & GIVEN)
        and (after + 1 == len(words) or scores[after + 1] < LEAST or words[after + 1].gap == " ")
    )
