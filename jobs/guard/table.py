"""Examples as the classifier sees them: one row for each window."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse  # type: ignore[import-untyped]  # it has none
from tokenizers import Tokenizer

from app.guard.injection.characters import clean
from app.guard.injection.classifier import views_of
from app.guard.injection.cues import CUES, cues_of
from app.guard.injection.lexical import BUCKETS, ngrams
from app.guard.injection.spelling import fold_leet
from jobs.guard.data import Example

MOST_VIEWS = 8  # of a training text
POSITIVE, NEGATIVE, UNKNOWN, UNUSED = 1, 0, -1, -2
_MOSTLY = 0.7  # of the order lies in a window that counts as holding it

Matrix = Any  # scipy's sparse matrices have no types


@dataclass(frozen=True, slots=True)
class Table:
    """`ids` the tokens of each row's window; `lexical` sparse (rows, BUCKETS + cues); `owner` which example; `label` of
    the window: UNKNOWN where only the example's is known, UNUSED where it trains nothing; `evasion` what hiding adds to
    a window's score; `windows` of the row's whole text."""

    ids: list[list[int]]
    lexical: Matrix
    owner: NDArray[np.intp]
    label: NDArray[np.int8]
    evasion: NDArray[np.float64]
    windows: NDArray[np.int64]

    def worst(self, scores: NDArray[np.float64], examples: int) -> NDArray[np.float64]:
        """For each example the highest score of its windows; -30 where it has none."""
        found = np.full(examples, -30.0)
        np.maximum.at(found, self.owner, scores + self.evasion)
        return found


def tabulate(examples: Sequence[Example], tokenizer: Tokenizer, advance: Callable[[], object]) -> Table:
    """`advance` is called after each example."""
    texts: list[str] = []
    owner: list[int] = []
    label: list[int] = []
    evasion: list[float] = []
    windows: list[int] = []
    for number, example in enumerate(examples):
        order = clean(example.order).text
        views = views_of(clean(example.text))[:MOST_VIEWS]
        plain = sum(view.kind == "plain" for view in views)
        for view in views:
            at = view.text.find(order) if order else -1
            texts.append(fold_leet(view.text))
            owner.append(number)
            label.append(_label(example, order, at, view.text, view.kind == "plain", plain))
            evasion.append(view.evasion)
            windows.append(plain)
        advance()
    found = [ngrams(text) for text in texts]
    counts = np.array([len(one) for one in found])
    values = np.repeat(1 / np.sqrt(np.maximum(counts, 1)), counts).astype(np.float32)
    starts = np.concatenate(([0], np.cumsum(counts)))
    words = sparse.csr_matrix((values, np.concatenate(found), starts), shape=(len(texts), BUCKETS))
    cues = sparse.csr_matrix(np.array([cues_of(text) for text in texts], dtype=np.float32).reshape(-1, len(CUES)))
    ids = [tokenizer.encode(text.encode(errors="replace").decode()).ids for text in texts]
    lexical = sparse.hstack([words, cues]).tocsr()
    return Table(ids, lexical, np.array(owner), np.array(label, np.int8), np.array(evasion), np.array(windows))


def _label(example: Example, order: str, at: int, text: str, is_plain: bool, plain: int) -> int:
    if not example.is_attack:
        return NEGATIVE
    if order:
        if at >= 0:
            return POSITIVE
        head = text.find(order[: int(_MOSTLY * len(order)) + 1])
        tail = text.find(order[int((1 - _MOSTLY) * len(order)) :])
        if max(head, tail) >= 0:
            return POSITIVE
        part = max(12, len(order) // 3)
        touched = text.find(order[:part]) >= 0 or text.find(order[-part:]) >= 0
        return UNUSED if touched or not is_plain else NEGATIVE
    if not is_plain:
        return UNUSED
    return POSITIVE if plain == 1 else UNKNOWN
