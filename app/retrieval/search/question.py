"""A query as passages are compared with it: its terms and what each tells, its phrases, its identifiers and numbers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from app.retrieval.search.commonness import MOST, commonness_idf
from app.retrieval.terms import STOP_WORDS, query_terms, terms_of

Floats = NDArray[np.float64]

# What must be met to the letter: with a digit, joined (max_model_len, --flag, os.path, a/b), in capitals (TTL), or with
# a capital inside (maxLen).
_EXACT = re.compile(
    r"(?<![\w-])(?:--?[A-Za-z][\w-]*|\w+(?:[._:/@+-]+\w+)+|\w*\d\w*|[A-Z]{2,}\w*|[a-z]+[A-Z]\w*)(?!\w)", re.ASCII
)
_WORD = re.compile(r"[^\W_]+(?:['_-][^\W_]+)*")
_MAX_PHRASES = 32
_MAX_EXACT = 16
_MAX_ROOTS = 24
_SHORT_ROOT = 4

# How strongly a collection's own counts are held against the general ones: where a term's are known at all, they win.
_PRIOR = 1e-3


@dataclass(frozen=True, slots=True)
class Question:
    """A query, taken apart once for all its candidates."""

    terms: NDArray[np.uint32]  # ascending; as `app.retrieval.terms` makes them
    prior: Floats  # inverse document frequency of each in general English
    roots: tuple[tuple[str, tuple[int, ...]], ...]  # beginnings of its words, and which terms each stands for
    phrases: tuple[str, ...]  # neighbouring words, in lower case
    exact: tuple[str, ...]  # identifiers and numbers, in lower case

    @classmethod
    def of(cls, text: str) -> "Question":
        """Take it apart."""
        terms = np.array(query_terms(text).indices, dtype=np.uint32)
        words = _WORD.findall(text.casefold())
        phrases = [f"{a} {b}" for a, b in pairwise(words) if a not in STOP_WORDS and b not in STOP_WORDS]
        exact = dict.fromkeys(found.casefold() for found in _EXACT.findall(text))
        return cls(
            terms,
            commonness_idf(terms),
            _roots(words, terms),
            tuple(dict.fromkeys(phrases))[:_MAX_PHRASES],
            tuple(exact)[:_MAX_EXACT],
        )

    def idf(self, weights: Floats, scores: Sequence[float | None]) -> Floats:
        """The inverse document frequency of each term in the collection, out of the scores that the store gave.

        `weights`, shape (candidates, terms), are the terms' in each candidate. A BM25 score is their sum, each times
        its term's idf: as many equations as the sparse search found candidates. They are solved by least squares, drawn
        slightly to what general English has, which is what terms keep that no candidate holds (but not more than a
        little above the rarest that one does: a small collection has small ones).
        """
        rows = np.array([index for index, score in enumerate(scores) if score is not None], dtype=np.intp)
        if not len(rows) or not len(self.terms):
            return self.prior
        known = weights[rows]
        seen = known.any(axis=0)
        if not seen.any():
            return self.prior
        a = known[:, seen]
        b = np.array([scores[row] for row in rows], dtype=np.float64) - a @ self.prior[seen]
        change = np.linalg.solve(a.T @ a + _PRIOR * np.eye(a.shape[1]), a.T @ b)
        idf = self.prior.copy()
        idf[seen] = np.clip(self.prior[seen] + change, 0.02, 2 * MOST)
        idf[~seen] = np.minimum(idf[~seen], 1.25 * idf[seen].max() + 0.5)
        return idf


def _roots(words: Sequence[str], terms: NDArray[np.uint32]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """What all forms of a word begin with: "polic" for policies and policy."""
    found: dict[str, tuple[int, ...]] = {}
    places = {int(term): place for place, term in enumerate(terms)}
    for word in words[:_MAX_ROOTS]:
        own = tuple(places[term] for term in query_terms(word).indices if term in places)
        if own:
            stem = next(iter(terms_of(word)), word)
            root = _shared_beginning(word, stem) or word
            found[root[:-1] if root.endswith("i") and len(root) > _SHORT_ROOT else root] = own
    return tuple(found.items())


def _shared_beginning(one: str, other: str) -> str:
    length = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:length]
