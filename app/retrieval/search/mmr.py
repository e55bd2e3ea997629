"""Maximal marginal relevance, and passages that say the same."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.retrieval.types import Candidate, Chunk

# Two passages under one heading are one to a reader when their vectors and their words nearly agree, and their
# numbers do. Words and numbers of the titles count: "10 EUR per month." says little without them.
SAME_COSINE = 0.97
SAME_WORDS = 0.9

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_WORD = re.compile(r"\w+")


def mmr(relevance: Sequence[float], vectors: NDArray[np.float32], limit: int, diversity: float) -> list[int]:
    """Indices of up to `limit` items, in the order they were chosen: each the one with the most of
    `(1 - diversity) * relevance - diversity * (greatest cosine to a chosen one)`.

    Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing
    Summaries", SIGIR 1998; `diversity` is 1 - their lambda. `vectors` has unit rows, shape (len(relevance), d).
    """
    left = np.asarray(relevance, dtype=np.float64) * (1 - diversity)
    nearest = np.zeros(len(left))
    chosen: list[int] = []
    while len(chosen) < min(limit, len(left)):
        best = int(np.argmax(left - diversity * nearest))
        chosen.append(best)
        left[best] = -np.inf
        if diversity:
            nearest = np.maximum(nearest, vectors @ vectors[best])
    return chosen


def without_repeats(ranked: Sequence[Candidate]) -> list[int]:
    """Indices of what is left when each says something that none before it says.

    Passages that differ in a number or in their headings are never taken for the same: it may be what was asked for.
    """
    kept: list[int] = []
    seen: set[tuple[str, str, str]] = set()
    vectors = np.stack([candidate.vector for candidate in ranked]) if ranked else np.zeros((0, 1), np.float32)
    cosines = vectors @ vectors.T
    for index, candidate in enumerate(ranked):
        chunk = candidate.chunk
        whole = (_plain(chunk.title), _plain(chunk.heading), _plain(chunk.text))
        if whole in seen:
            continue
        near = (ranked[other].chunk for other in kept if cosines[index, other] >= SAME_COSINE)
        if any(_says_the_same(chunk, other) for other in near):
            continue
        seen.add(whole)
        kept.append(index)
    return kept


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _says_the_same(one: Chunk, other: Chunk) -> bool:
    if _plain(one.heading) != _plain(other.heading):
        return False
    first, second = f"{one.title}\n{one.text}", f"{other.title}\n{other.text}"
    if sorted(_NUMBER.findall(first)) != sorted(_NUMBER.findall(second)):
        return False
    a, b = set(_WORD.findall(first.casefold())), set(_WORD.findall(second.casefold()))
    return len(a & b) >= SAME_WORDS * len(a | b)
