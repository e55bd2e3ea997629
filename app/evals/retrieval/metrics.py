"""How good a ranking is: recall@k, nDCG@10 and the reciprocal rank, by where the gold passages came."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.evals.retrieval.questions import Place

DEPTH = 10  # passages of a ranking that are looked at
CUTS = (1, 3, 5, 10)
# A passage has a gold quote when it holds more than this share of it: of two that share it, one at most does.
MOST = 0.5


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a system found. `start` and `end` are characters of the document's text."""

    document: str
    start: int
    end: int
    score: float = 0.0


def covers(hit: Hit, place: Place) -> bool:
    """Whether the passage holds most of the quote, at one of its places."""
    return hit.document == place.document and any(
        min(hit.end, end) - max(hit.start, start) > MOST * (end - start) for start, end in place.spans
    )


def ranks(hits: Sequence[Hit], places: Sequence[Place]) -> tuple[int | None, ...]:
    """For each gold passage the rank, from 1, of the first hit that holds it; None where none of `DEPTH` does."""
    return tuple(
        next((rank for rank, hit in enumerate(hits[:DEPTH], 1) if covers(hit, place)), None) for place in places
    )


def recall(found: Sequence[int | None], k: int) -> float:
    """The share of the gold passages among the first `k`. Raises ZeroDivisionError without gold."""
    return sum(rank is not None and rank <= k for rank in found) / len(found)


def reciprocal_rank(found: Sequence[int | None]) -> float:
    """One over the rank of the first gold passage; 0 where none was found."""
    return max((1 / rank for rank in found if rank is not None), default=0.0)


def ndcg(found: Sequence[int | None]) -> float:
    """Normalised discounted cumulative gain at `DEPTH`, with gains of 0 and 1 and the discount log2(1 + rank).

    Jarvelin and Kekalainen, "Cumulated gain-based evaluation of IR techniques" (TOIS 2002). A hit gains 1 when it
    holds gold that none before it had; the ideal ranking has such hits in front, and one more for each gold passage
    that was not found. So it is from 0 to 1 also where one hit holds two gold passages.
    """
    gains = {rank for rank in found if rank is not None}
    ideal = len(gains) + sum(rank is None for rank in found)
    return sum(map(_discount, gains)) / sum(_discount(rank) for rank in range(1, min(ideal, DEPTH) + 1))


def _discount(rank: int) -> float:
    return 1 / math.log2(1 + rank)
