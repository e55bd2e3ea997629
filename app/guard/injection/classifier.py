"""How likely a text is an injection: what is seen, decoded or hidden in it, window by window."""

import math
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from app.guard.injection.characters import Cleaned, clean
from app.guard.injection.cues import cues_of
from app.guard.injection.encoder import Tokens
from app.guard.injection.encodings import decoded
from app.guard.injection.hidden import hidden_parts
from app.guard.injection.lexical import ngrams
from app.guard.injection.model import Floats, InjectionModel
from app.guard.injection.spelling import fold_leet, join_letters, without_ids
from app.guard.injection.windows import Span, cut, sentences

# Windows of one text that the encoder reads, about 7 ms each: the first and the last, and those whose n-grams look
# worst. The n-grams of all windows are read.
MOST_WINDOWS = 64
# Characters of a window that the encoder need not read where the linear judge finds it plainly harmless. In longer ones
# an order could hide among harmless words: n-grams count by their share.
SHORT = 240
AT_ONCE = 16  # texts that a reading asks for together, more or less
_SURE = 30.0  # logits beyond are cut off
# Raw score for hiding: nobody harmless encodes an order. By hand; the classifier was trained on legible text. What a
# page merely does not show gets none: harmless comments and titles are as frequent.
_EVASION = {"hidden": 0.0, "encoded": 2.0}
_LETTERS_APART = 3.0  # at least `_MOST_APART` letters stood apart, or had invisible characters between them
_MOST_APART = 12
_LEET = 2.0  # at least one in `_LEET_SHARE` characters is a digit or sign in the place of a letter
_LEET_SHARE = 16
# Raw score for a rule's match in a window. In cross-validation this found more than to trust a match whatever the
# classifier says: harmless texts quote orders, too.
_RULE = 3.0


T = TypeVar("T")
# What is found, step by step: a reading yields texts that the encoder must see, and is sent what that says of each.
# So it may be left where the encoder begins, and another thread goes on with it.
Reading = Generator[Sequence[str], Sequence[Tokens], T]
Encode = Callable[[Sequence[str]], Sequence[Tokens]]


def read_on(reading: Reading[T], asked: Sequence[str], encode: Encode) -> T:
    """To its end, from texts that it has asked for."""
    try:
        while True:
            asked = reading.send(encode(asked))
    except StopIteration as ended:
        found: T = ended.value
        return found


def together(readings: Sequence[Reading[T]]) -> Reading[list[T]]:
    """Several as one, which asks at a time for what as many of them ask for as it takes for `AT_ONCE` texts: what the
    encoder says of a text takes up to 400 kB until it is told on."""
    found: dict[int, T] = {}
    asked: dict[int, Sequence[str]] = {}
    for number, reading in enumerate(readings):
        try:
            asked[number] = next(reading)
        except StopIteration as ended:
            found[number] = ended.value
    while asked:
        turn: dict[int, Sequence[str]] = {}
        for number, texts in asked.items():
            if sum(map(len, turn.values())) >= AT_ONCE:
                break
            turn[number] = texts
        tokens = iter((yield [text for texts in turn.values() for text in texts]))
        for number, texts in turn.items():
            try:
                asked[number] = readings[number].send([next(tokens) for _ in texts])
            except StopIteration as ended:
                del asked[number]
                found[number] = ended.value
    return [found[number] for number in range(len(readings))]


@dataclass(frozen=True, slots=True)
class View:
    """A window to be scored. `kind` says how it was got: plain, encoded or hidden; `start` to `end` is what it stands
    for in the cleaned text, character by character where it `is_literal`."""

    text: str
    kind: str
    start: int
    end: int
    is_literal: bool = False
    evasion: float = 0.0


@dataclass(frozen=True, slots=True)
class Scored:
    """A window's logit, above 0 for an injection, and the place in the cleaned text that it is about. `view`: its
    number among those that were given."""

    view: int
    logit: float
    kind: str
    start: int
    end: int


def views_of(cleaned: Cleaned) -> list[View]:
    """The windows of a cleaned text, then those of what is encoded and hidden in it."""
    text = cleaned.text
    views = []
    invisible = _LETTERS_APART if cleaned.hidden > _MOST_APART and len(text) < 20 * cleaned.hidden else 0.0
    for start, end in cut(text):
        joined = join_letters(text[start:end])
        evasion = _LETTERS_APART if len(joined) + _MOST_APART <= end - start else invisible
        views.append(View(joined, "plain", start, end, joined == text[start:end], evasion))
    for piece in decoded(text):
        plain = clean(piece.text).text
        spans = cut(plain)
        views += [View(plain[a:b], "encoded", piece.start, piece.end, False, _EVASION["encoded"]) for a, b in spans]
    for part, start, end in hidden_parts(text):
        views += [View(part[a:b], "hidden", start, end, False, _EVASION["hidden"]) for a, b in cut(part)]
    return views


class Classifier:
    """Scores texts. Thread-safe; linear in their length up to `MOST_WINDOWS` windows, and cheap beyond."""

    def __init__(self, model: InjectionModel) -> None:
        self._model = model

    def score(self, views: Sequence[View], suspects: Collection[int] = ()) -> Reading[list[Scored]]:
        """Each view that is read, the worst first. `suspects`: numbers of those that the encoder reads in any case."""
        plain = sum(view.kind == "plain" for view in views)
        chosen = self._chosen(views)
        scored = yield from together(
            [self._scored(number, views[number], plain, number in suspects) for number in chosen]
        )
        return sorted(scored, key=lambda one: -one.logit)

    def with_rule(self, logit: float) -> float:
        """A window's logit when a rule matches in it, too."""
        return min(logit + self._model.slope * _RULE, _SURE)

    def raw(self, text: str, is_suspect: bool = True) -> Reading[tuple[float, Span]]:
        """A window's uncalibrated score, and the sentence that adds most to it. `is_suspect`: the encoder reads it,
        whatever the linear judge says."""
        text = without_ids(text)
        worst, where = yield from self._read(text, is_suspect)
        legible = fold_leet(text)
        if legible != text:
            replaced = sum(one != other for one, other in zip(text, legible, strict=True))
            is_leet = replaced * _LEET_SHARE >= len(text)
            score, _ = yield from self._read(legible, is_suspect or is_leet)
            score += _LEET if is_leet else 0.0
            if score > worst:
                return score, (0, len(text))
        return worst, where

    def _scored(self, number: int, view: View, windows: int, is_suspect: bool) -> Reading[Scored]:
        # What somebody hid, encoded or spelled apart has nothing plain about it.
        is_suspect = is_suspect or not view.is_literal or view.evasion > 0
        raw, (start, end) = yield from self.raw(view.text, is_suspect)
        logit = min(max(self._model.logit(raw + view.evasion, windows), -_SURE), _SURE)
        if view.is_literal:
            return Scored(number, logit, view.kind, view.start + start, view.start + end)
        return Scored(number, logit, view.kind, view.start, view.end)

    def _read(self, text: str, is_suspect: bool) -> Reading[tuple[float, Span]]:
        linear = self._model.linear(ngrams(text), cues_of(text))
        if not is_suspect and len(text) <= SHORT and linear < self._model.harmless:
            return self._model.raw_unread(linear), (0, len(text))
        (tokens,) = yield [text]
        if len(tokens.starts) <= 2:  # nothing that the encoder has a token for
            return -_SURE, (0, len(text))
        if tokens.is_cut and len(text) > 64:
            # Denser than windows are meant to be: what the model did not see is a window of its own.
            half = len(text) // 2
            first, (a, b) = yield from self._read(text[: half + 32], is_suspect=True)
            second, (c, d) = yield from self._read(text[half - 32 :], is_suspect=True)
            return (first, (a, b)) if first >= second else (second, (c + half - 32, d + half - 32))
        parts = self._model.parts(tokens.vectors)
        return self._model.raw(parts, linear), _worst_sentence(text, tokens, parts)

    def _chosen(self, views: Sequence[View]) -> list[int]:
        if len(views) <= MOST_WINDOWS:
            return list(range(len(views)))
        words = [float(self._model.words[found].sum()) if len(found := ngrams(view.text)) else 0.0 for view in views]
        worst = np.argsort(-np.asarray(words), kind="stable")[: MOST_WINDOWS - 8].tolist()
        ends = [*range(4), *range(len(views) - 4, len(views))]
        return sorted({*worst, *ends})


def probability(logit: float) -> float:
    """0 gives 0.5."""
    return 1 / (1 + math.exp(-logit))


def _worst_sentence(text: str, tokens: Tokens, parts: Floats) -> Span:
    """The sentence whose tokens add most to a window's score."""
    spans = sentences(text)
    if len(spans) < 2:
        return 0, len(text)
    inside = tokens.ends > tokens.starts
    borders = np.array([start for start, _ in spans])
    owner = np.searchsorted(borders, tokens.starts[inside], side="right") - 1
    return spans[int(np.bincount(owner, weights=parts[inside], minlength=len(spans)).argmax())]
