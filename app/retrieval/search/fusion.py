"""Several rankings made into one."""

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

K = TypeVar("K", bound=Hashable)

# Of the paper. It keeps a first place in one list from outweighing good places in several.
RANK_CONSTANT = 60


def reciprocal_rank_fusion(rankings: Iterable[Sequence[K]], k: int = RANK_CONSTANT) -> dict[K, float]:
    """The fused score of everything ranked: the sum of 1 / (k + rank), ranks from 1. Best first.

    Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods",
    SIGIR 2009. Of equals the one comes first that was seen first.
    """
    scores: dict[K, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, start=1):
            scores[item] = scores.get(item, 0.0) + 1 / (k + rank)
    return dict(sorted(scores.items(), key=lambda item: -item[1]))
