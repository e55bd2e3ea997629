"""What a search is asked, and what it finds."""

from dataclasses import dataclass
from typing import Literal

from app.retrieval.types import Passage, Reader, Vector, Where

Mode = Literal["hybrid", "dense", "sparse"]


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One question to the knowledge base."""

    reader: Reader
    query: str  # what is searched for, masked already where the guard masks
    vector: Vector | None  # the query's, from the embedder; None: sparse only
    limit: int = 4  # passages wanted
    mode: Mode = "hybrid"
    where: Where | None = None
    also: tuple[tuple[str, Vector], ...] = ()  # further queries (multi-query), fused by reciprocal rank fusion
    min_relevance: float | None = None  # None: as configured
    neighbours: int | None = None  # chunks before and after a hit that may be joined to it; None: as configured
    diversity: float | None = None  # MMR: 0 none .. 1; None: as configured
    rerank: bool | None = None  # by the configured cross-encoder; None: where one is configured


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    `passages` are at most `limit`, also where none is relevant: who wants only relevant ones looks at their scores.
    """

    passages: tuple[Passage, ...]  # best first; score = relevance, a calibrated probability from 0 to 1
    relevant: bool  # False: abstain, "not in the documents"
    best: float  # the best passage's relevance, 0 where nothing was found
    beside: tuple[Passage, ...] = ()  # neighbours of the passages, for `app.retrieval.passages.pack` to join

    @property
    def everything(self) -> tuple[Passage, ...]:
        """Passages and neighbours: what a guard screens, and `pack` takes."""
        return (*self.passages, *self.beside)
