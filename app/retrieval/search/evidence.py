"""What speaks for each candidate of a query: the features that its relevance is told from.

All of them lie between about 0 and 1, and mean the same in any collection: inverse document frequencies are the
collection's own, and what depends on its size is set in relation to the query or to the other candidates.
"""

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.retrieval.search.pool import Ranked
from app.retrieval.search.proximity import proximity, stands_in
from app.retrieval.search.question import Floats, Question
from app.retrieval.terms import K1, query_terms
from app.retrieval.types import TermWeights, Vector

FEATURES = (
    "cosine",  # of query and passage
    "cosine_lead",  # above the mean of the pool's better half, and of a few that are near to nothing
    "cosine_gap",  # under the pool's best
    "no_vector",  # the query has none: the four above and below are 0
    "bm25_share",  # of what a passage would get that is full of every term of the query
    "bm25_gap",  # under the pool's best, as such a share
    "coverage",  # share of the query's terms, by their idf, in title, headings and text
    "coverage_gap",  # under the pool's best
    "heading_coverage",  # in title and headings alone
    "rarest",  # whether the term that tells the most is there
    "missing",  # share of the query's terms that no candidate holds
    "proximity",  # greatest share of them within about a sentence
    "proximity_gap",  # under the pool's best
    "phrases",  # share of its neighbouring words that are neighbours in the passage
    "exact",  # share of its identifiers and numbers
    "exact_missing",  # share of them that is not there
    "fused",  # score of reciprocal rank fusion, in relation to the pool's best
    "document",  # the same sum over all candidates of its document, in relation to the best document
    "dense_rank",  # 1 / (1 + rank)
    "sparse_rank",
    "both",  # found by both searches
    "short",  # a heading without a text, a crumb: short, and shorter than the pool's median
    "terms",  # how many terms the query has: 1 / (1 + n)
    "cosine_coverage",  # product of the two
)
INDEX = {name: column for column, name in enumerate(FEATURES)}

_SHORT = 200.0  # characters
# What is beside a single candidate nobody knows; a few of this cosine are taken to be there.
_TYPICAL, _TYPICAL_COUNT = 0.3, 4
_CACHED_HEADINGS = 1 << 15


def evidence(question: Question, vector: Vector | None, ranked: Sequence[Ranked]) -> NDArray[np.float64]:
    """A row for each candidate, shape (len(ranked), len(FEATURES)). `vector`: the query's, of unit length."""
    rows = np.zeros((len(ranked), len(FEATURES)))
    if not ranked:
        return rows
    _by_meaning(rows, vector, ranked)
    _by_words(rows, question, ranked)
    best = max(each.fused for each in ranked)
    of_documents: dict[str, float] = {}
    for each in ranked:
        name = each.candidate.chunk.document
        of_documents[name] = of_documents.get(name, 0.0) + each.fused
    best_document = max(of_documents.values())
    usual = float(np.median([len(each.candidate.chunk.text) for each in ranked]))
    for row, each in zip(rows, ranked, strict=True):
        chunk = each.candidate.chunk
        row[INDEX["fused"]] = each.fused / best if best else 0.0
        row[INDEX["document"]] = of_documents[chunk.document] / best_document if best_document else 0.0
        dense, sparse = each.candidate.dense_rank, each.candidate.sparse_rank
        row[INDEX["dense_rank"]] = 0.0 if dense is None else 1 / (1 + dense)
        row[INDEX["sparse_rank"]] = 0.0 if sparse is None else 1 / (1 + sparse)
        length = len(chunk.text)
        row[INDEX["short"]] = max(0.0, 1 - length / _SHORT) * max(0.0, 1 - length / usual) if usual else 0.0
        row[INDEX["both"]] = dense is not None and sparse is not None
    rows[:, INDEX["terms"]] = 1 / (1 + len(question.terms))
    rows[:, INDEX["cosine_coverage"]] = rows[:, INDEX["cosine"]] * rows[:, INDEX["coverage"]]
    return rows


def _by_meaning(rows: NDArray[np.float64], vector: Vector | None, ranked: Sequence[Ranked]) -> None:
    if vector is None:
        rows[:, INDEX["no_vector"]] = 1.0
        return
    cosines = np.stack([each.candidate.vector for each in ranked]).astype(np.float64) @ vector.astype(np.float64)
    better = np.sort(cosines)[-max(1, len(cosines) // 2) :]
    rows[:, INDEX["cosine"]] = cosines
    background = (better.sum() + _TYPICAL * _TYPICAL_COUNT) / (len(better) + _TYPICAL_COUNT)
    rows[:, INDEX["cosine_lead"]] = cosines - background
    rows[:, INDEX["cosine_gap"]] = cosines.max() - cosines


def _by_words(rows: NDArray[np.float64], question: Question, ranked: Sequence[Ranked]) -> None:
    chunks = [each.candidate.chunk for each in ranked]
    share: Floats = np.zeros(0)
    if len(question.terms):
        weights = np.stack([term_weights(question, each.candidate.terms) for each in ranked])
        idf = question.idf(weights, [each.candidate.bm25 for each in ranked])
        share = idf / idf.sum()
        held = weights > 0
        scores = (weights @ share) / (K1 + 1)
        coverage = held @ share
        rows[:, INDEX["bm25_share"]] = scores
        rows[:, INDEX["bm25_gap"]] = scores.max() - scores
        rows[:, INDEX["coverage"]] = coverage
        rows[:, INDEX["coverage_gap"]] = coverage.max() - coverage
        rows[:, INDEX["rarest"]] = held[:, int(np.argmax(idf))]
        rows[:, INDEX["missing"]] = share[~held.any(axis=0)].sum()
        told = list(zip(question.terms.tolist(), share.tolist(), strict=True))
        for row, chunk in zip(rows, chunks, strict=True):
            heading = _heading_terms(chunk.title, chunk.heading)
            row[INDEX["heading_coverage"]] = sum(each for term, each in told if term in heading)
    weights_of = share.tolist()
    for row, chunk in zip(rows, chunks, strict=True):
        text = f"{chunk.title}\n{chunk.heading}\n{chunk.text}".casefold()
        row[INDEX["proximity"]] = proximity(question, weights_of, text)
        if question.phrases:
            row[INDEX["phrases"]] = sum(phrase in text for phrase in question.phrases) / len(question.phrases)
        if question.exact:
            met = sum(stands_in(each, text) for each in question.exact) / len(question.exact)
            row[INDEX["exact"]], row[INDEX["exact_missing"]] = met, 1 - met
    near = rows[:, INDEX["proximity"]]
    rows[:, INDEX["proximity_gap"]] = near.max() - near


def term_weights(question: Question, terms: TermWeights) -> Floats:
    """BM25's weight of each of the question's terms in a chunk, before idf. `terms`: the chunk's."""
    if not len(terms.indices):
        return np.zeros(len(question.terms))
    places = np.minimum(np.searchsorted(terms.indices, question.terms), len(terms.indices) - 1)
    found: Floats = np.where(terms.indices[places] == question.terms, terms.values[places], 0.0)
    return found


@functools.lru_cache(maxsize=_CACHED_HEADINGS)
def _heading_terms(title: str, heading: str) -> frozenset[int]:
    return frozenset(query_terms(f"{title}\n{heading}").indices)
