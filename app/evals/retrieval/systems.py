"""The ways to search that are compared."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from app.config import RetrievalConfig
from app.evals.errors import StackError
from app.evals.retrieval.metrics import DEPTH, Hit
from app.retrieval.fusion import reciprocal_rank_fusion
from app.retrieval.terms import query_terms
from app.retrieval.types import Candidate, Chunk, Reader, Vector, VectorStore

if TYPE_CHECKING:  # it is imported when it is asked for, so that the others can be measured without it
    from app.retrieval.search.rerank import Reranking
    from app.retrieval.search.search import Search

PLAIN_CANDIDATES = 40  # that plain fusion takes of each search


@dataclass(frozen=True, slots=True)
class Ranking:
    """Hits, best first; the confidence that the question is answered, and the decision, where the system makes one."""

    hits: Sequence[Hit]
    confidence: float
    relevant: bool | None = None


class System(Protocol):
    """Something that searches."""

    @property
    def name(self) -> str:
        """As it stands in tables."""
        ...

    async def ask(self, query: str, vector: Vector) -> Ranking:
        """`vector` is the query's, as the embedding model gives it. At least `DEPTH` hits, if there are."""
        ...


@dataclass(frozen=True, slots=True)
class Dense:
    """Nearest vectors. Its confidence is the best cosine."""

    store: VectorStore
    reader: Reader
    name: str = "dense"

    async def ask(self, query: str, vector: Vector) -> Ranking:
        """See `System`."""
        return _ranking(by_cosine(await self.store.search(self.reader, vector, None, DEPTH)))


@dataclass(frozen=True, slots=True)
class Bm25:
    """Terms. Its confidence is the best score."""

    store: VectorStore
    reader: Reader
    name: str = "BM25"

    async def ask(self, query: str, vector: Vector) -> Ranking:
        """See `System`."""
        terms = query_terms(query)
        found = await self.store.search(self.reader, None, terms, DEPTH) if terms.indices else []
        return _ranking(by_bm25(found))


@dataclass(frozen=True, slots=True)
class PlainFusion:
    """Reciprocal rank fusion of both, nothing else. Its confidence is the best fused score."""

    store: VectorStore
    reader: Reader
    name: str = "plain RRF"

    async def ask(self, query: str, vector: Vector) -> Ranking:
        """See `System`."""
        terms = query_terms(query)
        found = await self.store.search(self.reader, vector, terms if terms.indices else None, PLAIN_CANDIDATES)
        chunks = {(each.chunk.document, each.chunk.ordinal): each.chunk for each in found}
        orders = ([(c.document, c.ordinal) for c, _ in ranked] for ranked in (by_cosine(found), by_bm25(found)))
        fused = list(reciprocal_rank_fusion(orders).items())[:DEPTH]
        return _ranking([(chunks[key], score) for key, score in fused])


@dataclass(frozen=True, slots=True)
class Shipped:
    """The search as it runs in the stack; its confidence is the best passage's relevance."""

    search: "Search"
    reader: Reader
    name: str = "search"
    rerank: bool = False

    async def ask(self, query: str, vector: Vector) -> Ranking:
        """See `System`."""
        from app.retrieval.search.types import SearchRequest

        request = SearchRequest(self.reader, query, vector, limit=DEPTH, neighbours=0, rerank=self.rerank)
        found = await self.search.search(request)
        hits = [_hit(passage.chunk, passage.score) for passage in found.passages]
        return Ranking(hits, found.best, found.relevant)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is compared: the shipped search with these settings, and with each of these cross-encoders."""

    settings: RetrievalConfig = field(default_factory=RetrievalConfig)
    rerankers: Sequence[Path] = ()


def baselines(store: VectorStore, reader: Reader) -> list[System]:
    """Those that stand for comparison."""
    return [Dense(store, reader), Bm25(store, reader), PlainFusion(store, reader)]


def shipped(store: VectorStore, reader: Reader, choice: Choice) -> list[System]:
    """The search as it ships, then with each cross-encoder. Raises StackError with what is missing."""
    try:
        from app.retrieval.search.relevance import Relevance
        from app.retrieval.search.search import Search
    except ImportError as error:
        raise StackError(f"the search that ships is not in this checkout ({error}); pass --baselines") from None
    try:
        relevance = Relevance.load()
    except (OSError, ValueError) as error:
        raise StackError(f"the search that ships has no weights ({error}); pass --baselines") from None
    systems: list[System] = [Shipped(Search(store, choice.settings, relevance), reader)]
    for path in choice.rerankers:
        search = Search(store, choice.settings, relevance, _reranking(path, choice.settings))
        systems.append(Shipped(search, reader, f"search + {path.name}", rerank=True))
    return systems


def _reranking(path: Path, settings: RetrievalConfig) -> "Reranking":
    from app.retrieval.search.cross_encoder import CrossEncoder, RerankerMissing
    from app.retrieval.search.rerank import Reranking

    rerank = settings.rerank
    try:
        model = CrossEncoder(
            str(path), threads=rerank.threads, batch_size=rerank.batch_size, max_tokens=rerank.max_tokens
        )
    except RerankerMissing as error:
        raise StackError(str(error)) from None
    return Reranking(model, rerank.deadline_ms)


def by_cosine(found: Sequence[Candidate]) -> list[tuple[Chunk, float]]:
    """What the dense search found, nearest first. Equals go by name, so that a run can be repeated."""
    return _sorted([(each.chunk, each.cosine) for each in found if each.cosine is not None])


def by_bm25(found: Sequence[Candidate]) -> list[tuple[Chunk, float]]:
    """What the sparse search found, best first."""
    return _sorted([(each.chunk, each.bm25) for each in found if each.bm25 is not None])


def _sorted(scored: list[tuple[Chunk, float]]) -> list[tuple[Chunk, float]]:
    return sorted(scored, key=lambda pair: (-pair[1], pair[0].document, pair[0].ordinal))


def _ranking(ranked: Sequence[tuple[Chunk, float]]) -> Ranking:
    return Ranking([_hit(chunk, score) for chunk, score in ranked], ranked[0][1] if ranked else 0.0)


def _hit(chunk: Chunk, score: float) -> Hit:
    return Hit(chunk.document, chunk.start, chunk.end, score)
