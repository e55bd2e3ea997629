"""Maximal marginal relevance, and passages that say the same."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.retrieval.types import Candidate

# Two passages are one to a reader when their vectors and their words nearly agree, and their numbers do.
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

    Texts that differ in a number are never taken for the same: it may be what was asked for.
    """
    kept: list[int] = []
    seen: set[str] = set()
    vectors = np.stack([candidate.vector for candidate in ranked]) if ranked else np.zeros((0, 1), np.float32)
    cosines = vectors @ vectors.T
    for index, candidate in enumerate(ranked):
        plain = " ".join(candidate.chunk.text.split()).casefold()
        if plain in seen:
            continue
        near = (ranked[other].chunk.text for other in kept if cosines[index, other] >= SAME_COSINE)
        if any(_says_the_same(candidate.chunk.text, text) for text in near):
            continue
        seen.add(plain)
        kept.append(index)
    return kept


def _says_the_same(one: str, other: str) -> bool:
    if sorted(_NUMBER.findall(one)) != sorted(_NUMBER.findall(other)):
        return False
    a, b = set(_WORD.findall(one.casefold())), set(_WORD.findall(other.casefold()))
    return len(a & b) >= SAME_WORDS * len(a | b)
