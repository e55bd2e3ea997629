"""Examples as the classifier sees them: one row for each unit of each window."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse  # type: ignore[import-untyped]  # it has none

from app.guard.injection.characters import clean
from app.guard.injection.classifier import units_of, views_of
from app.guard.injection.lexical import BUCKETS
from app.guard.injection.model import VECTOR_SCALE
from app.guard.injection.spelling import fold_leet
from app.retrieval.embedder import Embedder
from jobs.guard.data import Example

MOST_VIEWS = 8  # of a training text
POSITIVE, NEGATIVE, UNKNOWN = 1, 0, -1
_MOSTLY = 0.7  # of the order lies in a unit that counts as holding it

Matrix = Any  # scipy's sparse matrices have no types


@dataclass(frozen=True, slots=True)
class Table:
    """`words` sparse (rows, BUCKETS); `dense` float32 (rows, dimensions + cues), vector scaled; `owner` which example;
    `label` of the unit, UNKNOWN where only the example's is known; `is_whole` all of a text's only window;
    `evasion` what hiding adds to a unit's score."""

    words: Matrix
    dense: NDArray[np.float32]
    owner: NDArray[np.intp]
    label: NDArray[np.int8]
    is_whole: NDArray[np.bool_]
    evasion: NDArray[np.float64]
    cues: int

    def linear_rows(self) -> Matrix:
        """N-grams beside cues."""
        return sparse.hstack([self.words, sparse.csr_matrix(self.dense[:, -self.cues :])]).tocsr()

    def worst(self, scores: NDArray[np.float64], examples: int) -> NDArray[np.float64]:
        """For each example the highest score of its units; -30 where it has none."""
        found = np.full(examples, -30.0)
        np.maximum.at(found, self.owner, scores + self.evasion)
        return found


def tabulate(examples: Sequence[Example], embedder: Embedder, advance: Callable[[], object]) -> Table:
    """`advance` is called after each example."""
    ids: list[NDArray[np.int32]] = []
    dense: list[NDArray[np.float32]] = []
    owner: list[int] = []
    label: list[int] = []
    whole: list[bool] = []
    evasion: list[float] = []
    cues = 0
    for number, example in enumerate(examples):
        order = clean(example.order).text
        views = views_of(clean(example.text))[:MOST_VIEWS]
        for view in views:
            text = fold_leet(view.text)
            at = view.text.find(order) if order else -1
            for (start, end), unit in units_of(text, embedder.token_vectors(text)):
                ids.append(unit.ngrams)
                dense.append(np.concatenate([unit.vector * np.float32(VECTOR_SCALE), unit.cues]))
                owner.append(number)
                is_whole = len(views) == 1 and (start, end) == (0, len(text))
                whole.append(is_whole)
                label.append(_label(example, order, at, start, end, is_whole))
                evasion.append(view.evasion)
                cues = len(unit.cues)
        advance()
    counts = np.array([len(one) for one in ids])
    values = np.repeat(1 / np.sqrt(np.maximum(counts, 1)), counts).astype(np.float32)
    starts = np.concatenate(([0], np.cumsum(counts)))
    words = sparse.csr_matrix((values, np.concatenate(ids), starts), shape=(len(ids), BUCKETS))
    return Table(
        words,
        np.array(dense, dtype=np.float32),
        np.array(owner),
        np.array(label, np.int8),
        np.array(whole),
        np.array(evasion),
        cues,
    )


def _label(example: Example, order: str, at: int, start: int, end: int, is_whole: bool) -> int:
    if not example.is_attack:
        return NEGATIVE
    if not order:
        return POSITIVE if is_whole else UNKNOWN
    if at < 0:
        return UNKNOWN
    shared = min(end, at + len(order)) - max(start, at)
    return POSITIVE if shared >= _MOSTLY * len(order) else NEGATIVE if shared <= 0 else UNKNOWN
