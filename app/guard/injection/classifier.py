"""How likely a text is an injection: what is seen, decoded or hidden in it, window by window, sentence by sentence."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from app.guard.injection.characters import Cleaned, clean
from app.guard.injection.cues import cues_of
from app.guard.injection.encodings import decoded
from app.guard.injection.hidden import hidden_parts
from app.guard.injection.lexical import ngrams
from app.guard.injection.model import InjectionModel, Unit
from app.guard.injection.spelling import fold_leet, join_letters
from app.guard.injection.windows import Span, cut, units
from app.retrieval.embedder import TokenVectors

# Windows of one text that the embedding model reads, about 8 ms each: the first and the last, and those whose n-grams
# look worst. The n-grams of all windows are read.
MOST_WINDOWS = 64
_SURE = 30.0  # logits beyond are cut off
# Raw score for hiding: nobody harmless encodes an order. By hand; the classifier was trained on legible text.
_EVASION = {"hidden": 1.0, "encoded": 2.0}
_LETTERS_APART = 3.0  # at least `_MOST_APART` letters stood apart, or had invisible characters between them
_MOST_APART = 12
_LEET = 2.0


class Embeds(Protocol):
    """What is needed of the embedding model."""

    max_tokens: int

    def token_vectors(self, text: str) -> TokenVectors: ...


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
    """A window's logit, above 0 for an injection, and the place in the cleaned text that it is about."""

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


def units_of(text: str, tokens: TokenVectors) -> list[tuple[Span, Unit]]:
    """A window's units. The vectors are of the tokens in their context: one run of the model serves all of them."""
    starts, ends = np.array(tokens.spans, dtype=np.int64).reshape(-1, 2).T
    found: list[tuple[Span, Unit]] = []
    for start, end in units(text):
        inside = (starts >= start) & (ends <= end) & (ends > starts)
        if inside.any():
            vector = tokens.vectors[inside].mean(axis=0)
            vector = vector / max(float(np.linalg.norm(vector)), 1e-9)
            part = text[start:end]
            found.append(((start, end), Unit(ngrams(part), cues_of(part), vector.astype(np.float32))))
    return found


class Classifier:
    """Scores texts. Thread-safe; linear in their length up to `MOST_WINDOWS` windows, and cheap beyond."""

    def __init__(self, model: InjectionModel, embedder: Embeds) -> None:
        self._model = model
        self._embedder = embedder

    def score(self, views: Sequence[View]) -> list[Scored]:
        """Of each view that is read its worst unit, the worst view first."""
        plain = sum(view.kind == "plain" for view in views)
        scored = [self._scored(view, plain) for view in self._chosen(views)]
        return sorted(scored, key=lambda one: -one.logit)

    def raw(self, text: str) -> tuple[float, Span]:
        """The worst unit's uncalibrated score, and where it stands; for training, too."""
        worst, where = self._read(text)
        legible = fold_leet(text)
        if legible != text:
            score = self._read(legible)[0] + _LEET
            if score > worst:
                return score, (0, len(text))
        return worst, where

    def _scored(self, view: View, windows: int) -> Scored:
        raw, (start, end) = self.raw(view.text)
        logit = min(max(self._model.logit(raw + view.evasion, windows), -_SURE), _SURE)
        if view.is_literal:
            return Scored(logit, view.kind, view.start + start, view.start + end)
        return Scored(logit, view.kind, view.start, view.end)

    def _read(self, text: str) -> tuple[float, Span]:
        tokens = self._embedder.token_vectors(text)
        if len(tokens.ids) >= self._embedder.max_tokens and len(text) > 64:
            # Denser than windows are meant to be: what the model did not see is a window of its own.
            half = len(text) // 2
            first, (a, b) = self._read(text[: half + 32])
            second, (c, d) = self._read(text[half - 32 :])
            return (first, (a, b)) if first >= second else (second, (c + half - 32, d + half - 32))
        scores = [(self._model.raw(unit), span) for span, unit in units_of(text, tokens)]
        return max(scores, default=(-_SURE, (0, len(text))))

    def _chosen(self, views: Sequence[View]) -> list[View]:
        if len(views) <= MOST_WINDOWS:
            return list(views)
        words = [float(self._model.words[found].sum()) if len(found := ngrams(view.text)) else 0.0 for view in views]
        worst = np.argsort(-np.asarray(words), kind="stable")[: MOST_WINDOWS - 8].tolist()
        ends = [*range(4), *range(len(views) - 4, len(views))]
        return [views[at] for at in sorted({*worst, *ends})]


def probability(logit: float) -> float:
    """0 gives 0.5."""
    return 1 / (1 + math.exp(-logit))
