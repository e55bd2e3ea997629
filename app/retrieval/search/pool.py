"""Candidates of several searches, each once, with their places in every ranking."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.retrieval.search.fusion import reciprocal_rank_fusion
from app.retrieval.types import Candidate

Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate and where it stands: `fused` is the score of reciprocal rank fusion over all rankings; `dense` and
    `sparse` are ranks from 0 among the candidates of one query's two searches, None where that did not find it."""

    candidate: Candidate
    fused: float
    dense: int | None
    sparse: int | None


def key_of(candidate: Candidate) -> Key:
    """What tells a chunk from all others of a tenant."""
    chunk = candidate.chunk
    return chunk.document, chunk.content_hash, chunk.ordinal


def pool(searches: Sequence[Sequence[Candidate]]) -> list[list[Ranked]]:
    """For each query's candidates the union of all, in the order of the fusion of all rankings.

    A chunk that another query found has no cosine, score or rank of this one's.
    """
    orders = [(_by_cosine(found), _by_bm25(found)) for found in searches]
    fused = reciprocal_rank_fusion([order for pair in orders for order in pair if order])
    anywhere = {key_of(candidate): candidate for found in reversed(searches) for candidate in found}
    pools = []
    for found, (dense, sparse) in zip(searches, orders, strict=True):
        own = {key_of(candidate): candidate for candidate in found}
        dense_ranks = {key: rank for rank, key in enumerate(dense)}
        sparse_ranks = {key: rank for rank, key in enumerate(sparse)}
        pools.append(
            [
                Ranked(own.get(key) or _foreign(anywhere[key]), score, dense_ranks.get(key), sparse_ranks.get(key))
                for key, score in fused.items()
            ]
        )
    return pools


def _foreign(candidate: Candidate) -> Candidate:
    return Candidate(candidate.chunk, candidate.vector)


def _by_cosine(found: Sequence[Candidate]) -> list[Key]:
    scored = [(candidate.cosine, key_of(candidate)) for candidate in found if candidate.cosine is not None]
    return [key for _, key in sorted(scored, key=lambda pair: (-pair[0], pair[1]))]


def _by_bm25(found: Sequence[Candidate]) -> list[Key]:
    scored = [(candidate.bm25, key_of(candidate)) for candidate in found if candidate.bm25 is not None]
    return [key for _, key in sorted(scored, key=lambda pair: (-pair[0], pair[1]))]
