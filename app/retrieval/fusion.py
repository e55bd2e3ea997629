"""Several rankings made into one."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

K = TypeVar("K", bound=Hashable)

# Of the paper. It keeps a first place in one list from outweighing good places in several.
RANK_CONSTANT = 60


def reciprocal_rank_fusion(rankings: Iterable[Sequence[K]], k: int = RANK_CONSTANT) -> dict[K, float]:
    """The fused score of everything ranked: the sum of 1 / (k + rank), ranks from 1. Best first.

    Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods",
    SIGIR 2009. Of equals the one comes first that was seen first.
    """
    return fuse(({item: rank for rank, item in enumerate(ranking)} for ranking in rankings), k)


def fuse(rankings: Iterable[Mapping[K, int]], k: int = RANK_CONSTANT) -> dict[K, float]:
    """The same, where some places may be missing: each ranking maps items to ranks from 0."""
    scores: dict[K, float] = {}
    for ranks in rankings:
        for item, rank in ranks.items():
            scores[item] = scores.get(item, 0.0) + 1 / (k + 1 + rank)
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


def ranks(scores: Mapping[K, float]) -> dict[K, int]:
    """The place of each, from 0, best first; of equals the one comes first that stands first."""
    return {item: rank for rank, item in enumerate(sorted(scores, key=lambda item: -scores[item]))}
