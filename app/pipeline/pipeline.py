"""The pipeline: admission, cache, guard and embedder at the same time, retriever, router, model, settlement.

admit ─> cache ── hit ─────────────────────────────> replay
           ├─ guard: screen ┐ at the same time
           └─ embed         ┘
masked? then the cache is asked again, with the masked text
retrieve ─> instruct ─> plan ─> reserve, generate, fail over ─> mark ─> keep ─> restore ─> settle
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.cache.desk import CacheDesk, CacheUse
from app.cache.exact import Entry, ExactCache
from app.cache.key import Provenance
from app.cache.policy import may_use
from app.config import StackConfig
from app.errors import InvalidRequest, SextantError
from app.guard.types import Screened
from app.pipeline.dispatching import Dispatching
from app.pipeline.draft import Draft
from app.pipeline.flight import Flight
from app.pipeline.generate import Chunks, Generation
from app.pipeline.ports import EmbedPort, GuardPort, SearchPort, VersionPort
from app.pipeline.route import Route, Router, check_allowed
from app.pipeline.screen import InputRail
from app.prompts import Prompt, PromptBook
from app.retrieval.marks import Marks
from app.retrieval.passages import citations, pack, quote
from app.retrieval.types import Passage, Vector
from app.wire.chat import ChatRequest
from app.wire.completions import CompletionRequest

Request = ChatRequest | CompletionRequest


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: whole (`body`) or streamed (`chunks`; close them in any case)."""

    body: dict[str, Any] | None = None
    chunks: "Primed | None" = None


@dataclass(frozen=True, slots=True)
class Stages:
    """What the pipeline is made of. `guard` and `cache` are None where they are turned off."""

    guard: GuardPort | None
    cache: ExactCache | None
    embed: EmbedPort
    search: SearchPort
    versions: VersionPort
    router: Router
    dispatching: Dispatching
    prompts: PromptBook


@dataclass(frozen=True, slots=True)
class Identity:
    """What cache keys need to know about the stack itself."""

    hash_key: bytes
    guard_policy: str
    model_revisions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Prompts:
    """The versions of the prompts that one request uses."""

    system: Prompt | None
    question: Prompt | None

    @property
    def identities(self) -> tuple[str, ...]:
        return tuple(prompt.identity for prompt in (self.system, self.question) if prompt)


class Pipeline:
    """Answers chat and text completion requests."""

    def __init__(self, config: StackConfig, stages: Stages, identity: Identity) -> None:
        self.router = stages.router
        self._config = config
        self._stages = stages
        self._identity = identity
        self._rail = InputRail(config.guard, stages.guard)

    async def answer(self, request: Request, flight: Flight, use: CacheUse) -> Reply:
        """Travel the whole way. Raises SextantError; failures are settled here, streams at their end."""
        try:
            reply = await flight.before_deadline(self._answer(request, flight, use))
            if reply.chunks is not None:
                # The status line is only sent once there is something to send after it.
                await reply.chunks.prime()
        except BaseException as error:
            await flight.settle(error)
            raise
        if reply.chunks is None:
            await flight.settle()
        return reply

    async def _answer(self, request: Request, flight: Flight, use: CacheUse) -> Reply:
        wish = request.sextant.retrieval if isinstance(request, ChatRequest) else None
        route = self.router.route(request.model, wish)
        check_allowed(flight.caller, request.model)
        flight.model = route.base.id
        reservation = await flight.admit(request.model)
        draft = Draft.of(request)
        self._check(request, route, draft)
        planner, routing = self._stages.dispatching.planner, request.sextant.routing
        is_embedded = route.retrieval or planner.needs_vector(route.requested, routing)
        question = draft.question if is_embedded else None

        prompts = self._prompts(route)
        desk = await self._open_desk(request, route, prompts, flight, use)
        if hit := await self._look_up(desk, draft, flight):
            return self._replay(hit, request, desk, draft, Screened(()), flight)
        if reservation.exhausted and route.is_never_free and not (route.alias and route.alias.budget_fallback):
            raise reservation.exhausted  # before any work is done for it
        screened, vector = await self._screen_and_embed(draft, question, route, flight)
        if screened.changed:
            draft, desk = draft.with_texts(screened.texts), desk.masked()
            if hit := await self._look_up(desk, draft, flight):
                return self._replay(hit, request, desk, draft, screened, flight)
            if question is not None:
                vector = await self._embed(draft.question or "", route, flight)
        self._capture(draft, screened, flight)
        passages = await self._retrieve(route, vector, flight)
        generation = Generation(
            flight,
            desk,
            draft,
            screened,
            citations(passages or ()),
            self._marks(request, passages),
            include_usage=_wants_usage(request),
        )
        final = self._instruct(draft, prompts, passages)
        trip = self._stages.dispatching.trip(route, routing, final, vector, flight)
        dispatcher = self._stages.dispatching.dispatcher
        if request.stream:
            return Reply(chunks=Primed(flight, generation.stream(dispatcher, trip)))
        return Reply(body=await generation.whole(dispatcher, trip))

    def _check(self, request: Request, route: Route, draft: Draft) -> None:
        limit = self._config.gateway.max_choices
        if (request.n or 1) > limit:
            raise InvalidRequest(f"'n': this gateway makes at most {limit} choices.", param="n")
        if route.prompt and draft.task == "completions":
            raise InvalidRequest(
                f"{request.model!r} has a system prompt, which a text completion cannot carry; ask for its model.",
                param="model",
            )
        if route.retrieval and not draft.question:
            raise InvalidRequest("Retrieval needs a user message to search for.", param="messages")
        self._rail.check_length(draft)

    async def _open_desk(
        self, request: Request, route: Route, prompts: Prompts, flight: Flight, use: CacheUse
    ) -> CacheDesk:
        cache = self._stages.cache if may_use(request) else None
        version: str | None = None
        if cache is not None and route.retrieval:
            version = await self._stages.versions.knowledge_base(flight.caller.tenant)
            if version is None:
                cache = None  # an answer whose documents' state is unknown can be neither found nor kept
        settings = self._config.retrieval
        seen = (settings.max_context_tokens, float(settings.marks), self._config.embedder.id)
        answering = self._stages.dispatching.planner.answering(route.requested, flight.caller, request.sextant.routing)
        provenance = Provenance(
            tenant=flight.caller.tenant,
            model=" ".join(target.engine_model for target in answering),
            model_revision=" ".join(self._identity.model_revisions[target.id] for target in answering),
            guard_policy=self._identity.guard_policy,
            masked=False,
            prompts=prompts.identities,
            knowledge_base=version,
            retrieval=(route.retrieval.top_k, route.retrieval.min_score, *seen) if route.retrieval else (),
        )
        return CacheDesk(cache, provenance, self._identity.hash_key, use)

    async def _look_up(self, desk: CacheDesk, draft: Draft, flight: Flight) -> Entry | None:
        flight.cache = desk.state
        if desk.state == "bypass":
            return None
        with flight.timeline.stage("cache") as attributes:
            entry = await desk.look_up(draft.body)
            flight.cache = "exact" if entry else "miss"
            attributes["sextant.cache"] = flight.cache
            return entry

    def _replay(
        self, hit: Entry, request: Request, desk: CacheDesk, draft: Draft, screened: Screened, flight: Flight
    ) -> Reply:
        self._capture(draft, screened, flight)
        generation = Generation(flight, desk, draft, screened, [], None, include_usage=_wants_usage(request))
        if request.stream:
            return Reply(chunks=Primed(flight, generation.replay_stream(hit)))
        return Reply(body=generation.replay(hit))

    def _capture(self, draft: Draft, screened: Screened, flight: Flight) -> None:
        """Let the trace have the masked texts, where that is wanted; what no guard has seen never."""
        if self._config.observability.capture_content and not screened.failed_open:
            flight.content = {"input": "\n\n".join(draft.texts)}

    async def _screen_and_embed(
        self, draft: Draft, question: str | None, route: Route, flight: Flight
    ) -> tuple[Screened, Vector | None]:
        if question is None:
            return await self._rail.screen(draft, flight), None
        embedding = asyncio.ensure_future(self._embed(question, route, flight))
        try:
            screened = await self._rail.screen(draft, flight)
            return screened, await embedding
        finally:
            embedding.cancel()

    async def _embed(self, text: str, route: Route, flight: Flight) -> Vector | None:
        """The text's vector. A router alone can do without one: None when there is none to be had."""
        try:
            with flight.timeline.stage("embed"):
                return (await self._stages.embed.embed([text]))[0]
        except SextantError:
            if route.retrieval:
                raise
            return None

    async def _retrieve(self, route: Route, vector: Vector | None, flight: Flight) -> list[Passage] | None:
        """The packed passages; None when the request wants none."""
        if route.retrieval is None or vector is None:
            return None
        with flight.timeline.stage("retrieve") as attributes:
            found = await self._stages.search.search(flight.caller.tenant, vector, route.retrieval.top_k)
            packed = pack(found, route.retrieval.min_score, self._config.retrieval.max_context_tokens)
            attributes["sextant.retrieval.documents"] = [p.chunk.document for p in packed]
            attributes["sextant.retrieval.scores"] = [round(p.score, 4) for p in packed]
            return packed

    def _prompts(self, route: Route) -> Prompts:
        """The prompts in force now: the ones in the key must be the ones that the model gets."""
        book = self._stages.prompts
        return Prompts(
            system=book[route.prompt] if route.prompt else None,
            question=book[self._config.retrieval.prompt] if route.retrieval else None,
        )

    def _instruct(self, draft: Draft, prompts: Prompts, passages: list[Passage] | None) -> Draft:
        if passages is not None and prompts.question is not None:
            question = prompts.question.render(passages=quote(passages), question=draft.question or "")
            draft = draft.asking(question)
        return draft.instructed(prompts.system.template) if prompts.system else draft

    def _marks(self, request: Request, passages: list[Passage] | None) -> Marks | None:
        """Marks belong into prose: not into JSON, and not where log probabilities count tokens."""
        if not passages or not self._config.retrieval.marks or request.logprobs:
            return None
        response_format = request.response_format if isinstance(request, ChatRequest) else None
        if response_format is not None and response_format.type != "text":
            return None
        return Marks([passage.chunk.text for passage in passages])


class Primed:
    """A stream whose first chunk has been awaited, under the deadline, settled at its end."""

    def __init__(self, flight: Flight, chunks: Chunks) -> None:
        self._flight = flight
        self._chunks = flight.to_the_end(chunks)
        self._first: dict[str, Any] | None = None

    async def prime(self) -> None:
        """Await the first chunk. Raises what the stream raises."""
        with self._flight.timeline.stage("first_token"):
            self._first = await anext(self._chunks, None)

    def __aiter__(self) -> "Primed":
        return self

    async def __anext__(self) -> dict[str, Any]:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return await anext(self._chunks)

    async def aclose(self) -> None:
        """End the generation, if it has not ended."""
        await self._chunks.aclose()


def _wants_usage(request: Request) -> bool:
    return bool(request.stream_options and request.stream_options.include_usage)
