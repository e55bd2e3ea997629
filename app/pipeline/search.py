"""`POST /v1/search`: the caller's knowledge base, asked without a model."""

from typing import Any

from app.config import StackConfig
from app.errors import BlockedByGuard, InvalidRequest, Unavailable
from app.guard.screening import Spoken
from app.pipeline.embedding import BilledEmbedder
from app.pipeline.flight import Flight
from app.pipeline.ports import EmbedPort, SearchPort
from app.pipeline.screen import Clearance, Guarding
from app.retrieval.passages import pack
from app.retrieval.search.types import Found, SearchRequest
from app.retrieval.types import Reader, Vector
from app.wire.search import SearchBody, search_answer

MODEL = "search"  # its name in limits and in the ledger
_ROOM = 1_000_000  # tokens: what is found is bounded by its number, and not packed for a prompt


class SearchPipeline:
    """Answers searches. The query passes the input rails, what is found those for passages; neither leaves a trace."""

    def __init__(self, config: StackConfig, embedder: EmbedPort, search: SearchPort, guarding: Guarding) -> None:
        self._config = config
        self._embedder = BilledEmbedder(config.embedder, embedder)
        self._search = search
        self._guarding = guarding

    async def answer(self, body: SearchBody, flight: Flight) -> dict[str, Any]:
        """The answer. Raises SextantError; settled in any case."""
        return await flight.settled_after(self._answer(body, flight))

    async def _answer(self, body: SearchBody, flight: Flight) -> dict[str, Any]:
        flight.model = MODEL
        await flight.admit(MODEL)
        policy = self._config.guard.policy_of(flight.caller.tenant, None)
        query = await self._screened(body.query, policy, flight)
        clearance = self._guarding.begin_slow([Spoken(query)], query, policy, flight)
        try:
            vector = await self._vector(body, query, flight)
            found = await self._found(body, query, vector, flight)
            passages = await self._guarding.passages(found.everything, policy, flight)
            if clearance is not None:
                await _about_the_query(clearance)
        except BaseException:
            if clearance is not None:
                clearance.cancel()
            raise
        packed = pack(passages, body.min_score or 0.0, _ROOM)
        least = self._config.retrieval.min_score if body.min_score is None else body.min_score
        # What the guard has dropped answers nothing.
        relevant = found.relevant and any(passage.score >= least for passage in packed)
        return search_answer(body.query, packed, relevant, flight.transcript.usage.prompt_tokens)

    async def _screened(self, query: str, policy: str, flight: Flight) -> str:
        """The query as it may be searched for. Raises BlockedByGuard, Unavailable."""
        limit = self._config.guard.max_characters
        if self._guarding.screening is not None and len(query) > limit:
            raise InvalidRequest(f"'query': longer than the {limit:,} characters that are screened.", param="query")
        try:
            return (await self._guarding.request([Spoken(query)], policy, flight)).texts[0]
        except BlockedByGuard as blocked:
            raise _named(blocked) from None

    async def _vector(self, body: SearchBody, query: str, flight: Flight) -> Vector | None:
        """The query's vector. By words alone can be searched without one."""
        if body.mode == "sparse":
            return None
        try:
            return (await self._embedder.embed([query], flight))[0]
        except Unavailable:
            if body.mode == "dense" or not flight.was_sent:
                raise  # what the ledger refuses is refused
            flight.attributes["sextant.search.without"] = "embedder"
            return None

    async def _found(self, body: SearchBody, query: str, vector: Vector | None, flight: Flight) -> Found:
        request = SearchRequest(
            reader=reader_of(flight),
            query=query,
            vector=vector,
            limit=body.limit or self._config.retrieval.top_k,
            mode=body.mode,
            where=body.where,
            min_relevance=body.min_score,
            neighbours=body.neighbours,
            rerank=body.rerank,
        )
        with flight.timeline.stage("retrieve") as attributes:
            found = await self._search.find(request)
            attributes["sextant.retrieval.documents"] = [p.chunk.document for p in found.passages]
            attributes["sextant.retrieval.scores"] = [round(p.score, 4) for p in found.passages]
            attributes["sextant.retrieval.relevant"] = found.relevant
        return found


def reader_of(flight: Flight) -> Reader:
    """Who asks, as stores know readers."""
    return Reader(flight.caller.tenant, flight.caller.groups)


async def _about_the_query(clearance: Clearance) -> None:
    try:
        await clearance.wait()
    except BlockedByGuard as blocked:
        raise _named(blocked) from None


def _named(blocked: BlockedByGuard) -> BlockedByGuard:
    """With the field that this route has."""
    return BlockedByGuard(blocked.message, param="query", rule=blocked.rule)
