"""The search itself: ask the store, fuse, judge, thin out, abstain.

store: dense ┐
store: sparse┴─> pool ─> evidence ─> relevance ─> (cross-encoder) ─> no repeats ─> MMR ─> neighbours
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from app.config import RetrievalConfig
from app.retrieval.search.compare import compare
from app.retrieval.search.evidence import evidence
from app.retrieval.search.mmr import mmr, without_repeats
from app.retrieval.search.neighbours import Around, neighbours_of
from app.retrieval.search.pool import Ranked, pool
from app.retrieval.search.question import Question
from app.retrieval.search.relevance import Relevance, probability
from app.retrieval.search.rerank import Reranking
from app.retrieval.search.types import Found, SearchRequest
from app.retrieval.terms import query_terms
from app.retrieval.types import Candidate, Chunk, Passage, Reader, Terms, Vector, Where

# Of the fused candidates so many are judged. On the training half of evals/retrieval judging all of them finds nothing
# that is not among the first 32, and reading a passage's words takes 0.1 ms the first time.
JUDGED = 32

NOTHING = Found((), relevant=False, best=0.0)


class Searchable(Around, Protocol):
    """The part of `VectorStore` that a search needs."""

    async def search(
        self,
        reader: Reader,
        vector: Vector | None,
        terms: Terms | None,
        limit: int,
        where: Where | None = None,
        keep: int | None = None,
    ) -> list[Candidate]: ...


@dataclass(frozen=True, slots=True)
class Judged:
    """A candidate and the logit of its relevance."""

    candidate: Candidate
    logit: float


class Search:
    """Answers `SearchRequest`s. It keeps nothing of them."""

    def __init__(
        self,
        store: Searchable,
        settings: RetrievalConfig,
        relevance: Relevance,
        reranking: Reranking | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._relevance = relevance
        self._reranking = reranking

    async def search(self, request: SearchRequest) -> Found:
        """See `Found`. Raises Unavailable where the store does not answer."""
        ranked = await self.candidates(request)
        judged = await self._reranked(request, self.judge(request, ranked))
        if not judged:
            return NOTHING
        chosen = self._thinned(judged, request)
        passages = tuple(Passage(each.candidate.chunk, probability(each.logit)) for each in chosen)
        least = self._settings.min_score if request.min_relevance is None else request.min_relevance
        reach = self._settings.neighbours if request.neighbours is None else request.neighbours
        # What is not relevant is not read, and needs nothing beside it.
        hits = [passage for passage in passages if passage.score >= least]
        beside = await neighbours_of(self._store, request.reader, hits, reach)
        best = max(passage.score for passage in passages)
        return Found(passages, best >= least, best, beside)

    async def rerank(self, query: str, texts: Sequence[str], vectors: Sequence[Vector]) -> list[float]:
        """A relevance from 0 to 1 for each text. By the cross-encoder where there is one and it answers in time; else
        by the evidence of words and of `vectors`: the query's, then the texts'; none: by words alone."""
        if not texts:
            return []
        if self._reranking is not None:
            logits = await self._reranking.logits(query, texts)
            if logits is not None:
                return [probability(logit) for logit in logits]
        return compare(self._relevance, query, texts, vectors)

    async def candidates(self, request: SearchRequest) -> list[list[Ranked]]:
        """For each query (the request's own first) the candidates of all, fused, best first."""
        queries = [(request.query, request.vector), *request.also]
        depth = max(self._settings.candidates, request.limit)
        found = await asyncio.gather(*(self._ask(request, text, vector, depth) for text, vector in queries))
        return [ranked[: self._judged(request)] for ranked in pool(found)]

    def judge(self, request: SearchRequest, ranked: Sequence[Sequence[Ranked]]) -> list[Judged]:
        """The candidates with their relevance to the query that they serve best, best first."""
        if not ranked or not ranked[0]:
            return []
        queries = [(request.query, request.vector), *request.also]
        logits = np.max(
            [
                self._relevance.logits(evidence(Question.of(text), self._vector(request, vector), each))
                for (text, vector), each in zip(queries, ranked, strict=True)
            ],
            axis=0,
        )
        judged = [Judged(each.candidate, float(logit)) for each, logit in zip(ranked[0], logits, strict=True)]
        # Sorting is stable: of equals the better fused one stays first.
        return sorted(judged, key=lambda each: -each.logit)

    async def _ask(self, request: SearchRequest, text: str, vector: Vector | None, depth: int) -> list[Candidate]:
        vector = self._vector(request, vector)
        terms = None if request.mode == "dense" else query_terms(text)
        if terms is not None and not terms.indices:
            terms = None
        if vector is None and terms is None:
            return []
        # Candidates of several queries are fused all together.
        keep = None if request.also else self._judged(request)
        return await self._store.search(request.reader, vector, terms, depth, request.where, keep)

    @staticmethod
    def _judged(request: SearchRequest) -> int:
        return max(JUDGED, request.limit)

    @staticmethod
    def _vector(request: SearchRequest, vector: Vector | None) -> Vector | None:
        return None if request.mode == "sparse" else vector

    async def _reranked(self, request: SearchRequest, judged: list[Judged]) -> list[Judged]:
        """The best anew, by the mean of both logits; the others keep theirs, and stay behind them."""
        if self._reranking is None or request.rerank is False or not judged:
            return judged
        best, rest = judged[: self._settings.rerank.candidates], judged[self._settings.rerank.candidates :]
        logits = await self._reranking.logits(request.query, [readable(each.candidate.chunk) for each in best])
        if logits is None:
            return judged
        anew = [Judged(each.candidate, (each.logit + logit) / 2) for each, logit in zip(best, logits, strict=True)]
        anew.sort(key=lambda each: -each.logit)
        return anew + [Judged(each.candidate, min(each.logit, anew[-1].logit)) for each in rest]

    def _thinned(self, judged: Sequence[Judged], request: SearchRequest) -> list[Judged]:
        """At most `limit`, best first."""
        diversity = self._settings.diversity if request.diversity is None else request.diversity
        # Looking for repeats takes the square of their number; what stands far behind is not wanted anyway.
        considered = judged[: 3 * request.limit + 10]
        kept = [considered[index] for index in without_repeats([each.candidate for each in considered])]
        if diversity and len(kept) > request.limit:
            vectors = np.stack([each.candidate.vector for each in kept])
            chosen = mmr([probability(each.logit) for each in kept], vectors, request.limit, diversity)
            return [kept[index] for index in sorted(chosen)]
        return kept[: request.limit]


def readable(chunk: Chunk) -> str:
    """A passage as a cross-encoder reads it: under its title and headings."""
    return "\n".join(part for part in (chunk.title, chunk.heading, chunk.text) if part)
