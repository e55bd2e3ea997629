"""`POST /v1/rerank`: documents of the request, ordered by how well they answer its query."""

from collections.abc import Sequence
from typing import Any, Protocol

from app.config import StackConfig
from app.errors import InvalidRequest
from app.pipeline.embedding import BilledEmbedder
from app.pipeline.flight import Flight
from app.pipeline.ports import EmbedPort
from app.retrieval.types import Vector
from app.wire.search import RerankBody, rerank_answer

MODEL = "rerank"  # its name in limits and in the ledger
MAX_CHARACTERS = 500_000  # of all documents


class RerankPort(Protocol):
    """Whoever judges; `app.retrieval.search.Search` behind a handle in production."""

    async def rerank(self, query: str, texts: Sequence[str], vectors: Sequence[Vector]) -> list[float]:
        """A relevance from 0 to 1 for each text. `vectors`: the query's and the texts', where no cross-encoder is
        configured. Raises Unavailable."""
        ...


class RerankPipeline:
    """Answers rerank requests. Nothing is kept, and the texts leave no trace; as on `/v1/embeddings` no model reads
    them as instructions, so no rail is asked."""

    def __init__(self, config: StackConfig, embedder: EmbedPort, reranker: RerankPort) -> None:
        self._has_cross_encoder = config.retrieval.rerank.model is not None
        self._embedder = BilledEmbedder(config.embedder, embedder)
        self._reranker = reranker

    async def answer(self, body: RerankBody, flight: Flight) -> dict[str, Any]:
        """The answer. Raises SextantError; settled in any case."""
        return await flight.settled_after(self._answer(body, flight))

    async def _answer(self, body: RerankBody, flight: Flight) -> dict[str, Any]:
        flight.model = MODEL
        await flight.admit(MODEL)
        texts = body.texts
        if sum(map(len, texts)) > MAX_CHARACTERS:
            raise InvalidRequest(f"'documents': more than {MAX_CHARACTERS:,} characters together.", param="documents")
        vectors = await self._embedder.embed([body.query, *texts], flight, with_vectors=not self._has_cross_encoder)
        with flight.timeline.stage("rerank"):
            scores = await self._reranker.rerank(body.query, texts, vectors)
        return rerank_answer(flight.answer_id, MODEL, body, scores, flight.transcript.usage.prompt_tokens)
