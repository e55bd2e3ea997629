"""Reranking: the best passages judged once more by a model that reads query and passage together."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from app.failures import Failures

logger = logging.getLogger(__name__)


class Reranker(Protocol):
    """Whoever judges."""

    async def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """The logit of each text's relevance. May raise anything."""
        ...


class Reranking:
    """A reranker under a deadline: a failure is counted, and costs the better order, not the search."""

    def __init__(self, reranker: Reranker, deadline_ms: float) -> None:
        self._reranker = reranker
        self._deadline_s = deadline_ms / 1000
        self.failures = Failures(logger, "the reranker")

    async def logits(self, query: str, texts: Sequence[str]) -> list[float] | None:
        """None where it failed or took too long."""
        try:
            async with asyncio.timeout(self._deadline_s):
                logits = await self._reranker.score(query, texts)
            if len(logits) != len(texts):
                raise ValueError("not one score for each text")
        except Exception as error:
            self.failures.note(error)
            return None
        return logits
