"""Candidates of several searches, each once, with their places in every ranking."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.retrieval.fusion import fuse
from app.retrieval.types import Candidate

Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate, and its score of reciprocal rank fusion over all rankings."""

    candidate: Candidate
    fused: float


def key_of(candidate: Candidate) -> Key:
    """What tells a chunk from all others of a tenant."""
    chunk = candidate.chunk
    return chunk.document, chunk.content_hash, chunk.ordinal


def pool(searches: Sequence[Sequence[Candidate]]) -> list[list[Ranked]]:
    """For each query's candidates the union of all, in the order of the fusion of all rankings.

    A chunk that another query found has no cosine, score or rank of this one's.
    """
    owns = [{key_of(candidate): candidate for candidate in found} for found in searches]
    anywhere = {key: candidate for own in reversed(owns) for key, candidate in own.items()}
    rankings = []
    for own in owns:
        dense = {key: each.dense_rank for key, each in own.items() if each.dense_rank is not None}
        sparse = {key: each.sparse_rank for key, each in own.items() if each.sparse_rank is not None}
        # Best first, so that of equals in the fusion the better one by meaning comes first.
        rankings += [dict(sorted(ranks.items(), key=lambda item: item[1])) for ranks in (dense, sparse)]
    fused = fuse(rankings)
    return [[Ranked(own.get(key) or _foreign(anywhere[key]), score) for key, score in fused.items()] for own in owns]


def _foreign(candidate: Candidate) -> Candidate:
    return Candidate(candidate.chunk, candidate.vector, candidate.terms)
