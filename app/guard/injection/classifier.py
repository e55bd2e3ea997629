"""How likely a text is an injection: windows of what is seen, decoded or hidden, the n-grams' and the network's say."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from app.guard.injection.characters import Cleaned, clean
from app.guard.injection.encodings import decoded
from app.guard.injection.hidden import hidden_parts
from app.guard.injection.model import InjectionModel
from app.guard.injection.spelling import fold_leet, join_letters
from app.guard.injection.windows import Span, cut
from app.retrieval.embedder import TokenVectors

# Windows of one text that the embedding model reads, about 6 ms each: the first and the last, and those whose n-grams
# look worst. The n-grams of all windows are read.
MOST_WINDOWS = 64
_SURE = 30.0  # logits beyond are cut off


class Embeds(Protocol):
    """What is needed of the embedding model."""

    max_tokens: int

    def token_vectors(self, text: str) -> TokenVectors: ...


@dataclass(frozen=True, slots=True)
class View:
    """A text to be scored, `kind` says how it was got: plain, encoded or hidden; `start` to `end` is what it stands for
    in the cleaned text."""

    text: str
    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Scored:
    """A window's logit, above 0 for an injection, and what it stands for in the cleaned text."""

    logit: float
    kind: str
    start: int
    end: int


def views_of(cleaned: Cleaned) -> list[View]:
    """The windows of a cleaned text, then those of what is encoded and hidden in it."""
    text = cleaned.text
    views = [View(join_letters(text[start:end]), "plain", start, end) for start, end in cut(text)]
    for piece in decoded(text):
        plain = clean(piece.text).text
        views += [View(plain[start:end], "encoded", piece.start, piece.end) for start, end in cut(plain)]
    for part, start, end in hidden_parts(text):
        views += [View(part[a:b], "hidden", start, end) for a, b in cut(part)]
    return views


class Classifier:
    """Scores texts. Thread-safe; linear in their length up to `MOST_WINDOWS` windows, and cheap beyond."""

    def __init__(self, model: InjectionModel, embedder: Embeds) -> None:
        self._model = model
        self._embedder = embedder

    def score(self, cleaned: Cleaned) -> list[Scored]:
        """Each window's score, the worst first."""
        views = views_of(cleaned)
        words = [self._model.words_score(view.text) for view in views]
        chosen = _chosen(words)
        # The maximum over many windows is high by chance.
        discount = self._model.doubling * math.log2(max(1, sum(view.kind == "plain" for view in views)))
        scored = [
            Scored(self._logit(views[at].text, words[at]) - discount, views[at].kind, views[at].start, views[at].end)
            for at in chosen
        ]
        return sorted(scored, key=lambda one: -one.logit)

    def _logit(self, text: str, words: float) -> float:
        logit = self._read(text, words)
        legible = fold_leet(text)
        if legible != text:
            logit = max(logit, self._read(legible, self._model.words_score(legible)))
        return logit

    def _read(self, text: str, words: float) -> float:
        tokens = self._embedder.token_vectors(text)
        if len(tokens.ids) >= self._embedder.max_tokens and len(text) > 64:
            # Denser than windows are meant to be: what the model did not see is a window of its own.
            half = len(text) // 2
            parts = text[: half + 32], text[half - 32 :]
            return max(self._read(part, self._model.words_score(part)) for part in parts)
        logit = self._model.logit(words, self._model.net.score(tokens.vectors))
        return min(max(logit, -_SURE), _SURE)


def _chosen(words: Sequence[float]) -> list[int]:
    if len(words) <= MOST_WINDOWS:
        return list(range(len(words)))
    worst = np.argsort(-np.asarray(words), kind="stable")[: MOST_WINDOWS - 8].tolist()
    ends = [*range(4), *range(len(words) - 4, len(words))]
    return sorted({*worst, *ends})


def probability(logit: float) -> float:
    """0 gives 0.5."""
    return 1 / (1 + math.exp(-logit))


def span_of(cleaned: Cleaned, start: int, end: int) -> Span:
    """Of the original text, never empty where the text is not."""
    return cleaned.span(start, max(end, start))
