"""Passages for a chat request: what is searched for, what is found, and what of it the model may see."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any

from app.cache.entry import Entry
from app.config import RetrievalConfig
from app.errors import SextantError
from app.memory.items import messages_of
from app.memory.ports import Ask
from app.pipeline.journey import Journey
from app.pipeline.ports import EmbedPort, SearchPort
from app.pipeline.screen import Guarding
from app.pipeline.search import reader_of
from app.retrieval.passages import pack
from app.retrieval.rewrite import Turn, carried, depends_on_earlier, keeps_to, parse_rewrite, rewrite_prompt
from app.retrieval.search.types import SearchRequest
from app.retrieval.types import Vector
from app.wire.chat import ChatRequest

REWRITE_TOKENS = 200


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for: a text with its vector, and others that are fused with it."""

    text: str
    vector: Vector
    also: tuple[tuple[str, Vector], ...] = ()


class Retrieving:
    """For all requests. `ask` puts a question to a model and bills the caller; None: no model is asked."""

    def __init__(
        self, config: RetrievalConfig, search: SearchPort, embed: EmbedPort, guarding: Guarding, ask: Ask | None
    ) -> None:
        self._config = config
        self._search = search
        self._embed = embed
        self._guarding = guarding
        self._ask = ask

    def question(self, journey: Journey) -> str | None:
        """What is embedded while the guard is at work: the question, with the words of the turn before where it cannot
        be understood without. A model is asked, if one is, only for what the guard has passed."""
        question = journey.draft.question
        if question is None or journey.route.retrieval is None or self._config.rewrite.mode == "off":
            return question
        turns = _turns(journey)
        return carried(turns) if depends_on_earlier(turns) else question

    async def passages(self, journey: Journey) -> bool:
        """Search, screen and pack: fills in the journey's passages. Returns whether any of them is relevant. Raises
        Unavailable."""
        route, flight, vector = journey.route, journey.flight, journey.near.vector
        assert route.retrieval is not None
        assert vector is not None
        query = await self._query(journey, vector)
        wanted = route.retrieval
        with flight.timeline.stage("retrieve") as attributes:
            found = await self._search.find(
                SearchRequest(
                    reader=reader_of(flight),
                    query=query.text,
                    vector=query.vector,
                    limit=wanted.top_k,
                    mode=wanted.mode,
                    where=wanted.where,
                    rerank=wanted.rerank,
                    also=query.also,
                    min_relevance=wanted.min_score,
                )
            )
            screened = await self._guarding.passages(found.everything, journey.policy, flight)
            packed = pack(screened, wanted.min_score, self._config.max_context_tokens)
            attributes["sextant.retrieval.documents"] = [p.chunk.document for p in packed]
            attributes["sextant.retrieval.scores"] = [round(p.score, 4) for p in packed]
            attributes["sextant.retrieval.queries"] = 1 + len(query.also)
        journey.passages = packed
        return bool(packed)

    def abstains(self, journey: Journey) -> bool:
        """Whether "not in the documents" is the answer where nothing relevant was found: not where the client wants
        JSON, or has given the model tools to look elsewhere."""
        request = journey.request
        if self._config.on_nothing != "abstain" or not isinstance(request, ChatRequest) or request.tools:
            return False
        return request.response_format is None or request.response_format.type == "text"

    def abstention(self, journey: Journey) -> Entry:
        """The answer that no model was asked for."""
        message = {"role": "assistant", "content": self._config.nothing_found}
        choices = [
            {"index": index, "message": dict(message), "logprobs": None, "finish_reason": "stop"}
            for index in range(journey.request.n or 1)
        ]
        answer: dict[str, Any] = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": journey.route.base.id,
            "choices": choices,
            "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
            "sextant": {"citations": [], "abstained": True},
        }
        return Entry(answer)

    async def _query(self, journey: Journey, vector: Vector) -> Query:
        """The question as the guard left it, rewritten where that is wanted. Without the model, if that fails."""
        settings, question = self._config.rewrite, self.question(journey) or ""
        turns = _turns(journey)
        depends = question != journey.draft.question
        if self._ask is None or settings.model is None or not (depends or settings.mode == "always"):
            return Query(question, vector)
        flight = journey.flight
        with flight.timeline.stage("rewrite") as attributes:
            try:
                messages = rewrite_prompt(turns, settings.variants)
                work = self._ask(flight.caller, settings.model, messages, REWRITE_TOKENS)
                written = parse_rewrite(await self._in_time(work), settings.variants)
            except (SextantError, TimeoutError) as error:
                attributes["sextant.rewrite.failure"] = getattr(error, "code", "timeout")
                return Query(question, vector)
            if written is None or not keeps_to(written.query, turns):
                attributes["sextant.rewrite.failure"] = "no query"
                return Query(question, vector)
            others = [each for each in written.variants if keeps_to(each, turns)]
        with flight.timeline.stage("embed"):
            first, *more = await self._embed.embed([written.query, *others])
        return Query(written.query, first, tuple(zip(others, more, strict=True)))

    async def _in_time(self, work: Awaitable[str]) -> str:
        async with asyncio.timeout(self._config.rewrite.timeout_ms / 1000):
            return await work


def _turns(journey: Journey) -> list[Turn]:
    """The conversation's turns, the remembered ones first."""
    earlier = [item for turn in (journey.recall.turns if journey.recall else ()) for item in turn.items]
    said: Sequence[dict[str, Any]] = [*map(dict, messages_of(earlier)), *journey.draft.body.get("messages", ())]
    return [
        Turn(message["role"], message["content"])
        for message in said
        if message["role"] in ("user", "assistant") and isinstance(message.get("content"), str) and message["content"]
    ]
