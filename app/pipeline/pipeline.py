"""The pipeline: admission, cache, guard and embedder at the same time, retriever, router, model, settlement.

admit ─> cache: exact ── hit ──────────────────────────────────────> deliver
           ├─ guard: screen                           ┐ at the same time
           └─ cache: embed once, what is near in meaning┘ ── hit ───> deliver
masked? then the cache is asked again, with the masked text
retrieve ─> the cache is asked again, by what the answer would be drawn from
the same under way? ── follow it ──────────────────────────────────> deliver
instruct ─> plan ─> reserve, generate, fail over ─> mark ─> keep, settle ─> deliver: restore
"""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from app.cache.desk import CacheDesk
from app.cache.entry import Entry
from app.cache.exact import Found
from app.cache.single_flight import Lost, Shared
from app.cache.use import CacheUse
from app.config import StackConfig
from app.errors import InvalidRequest, SextantError
from app.pipeline.asking import Asking
from app.pipeline.caching import Caching, Near, text_of
from app.pipeline.desks import Desks, Identity
from app.pipeline.draft import Draft
from app.pipeline.flight import Flight
from app.pipeline.generate import Chunks, Generation
from app.pipeline.journey import Journey, Request
from app.pipeline.primed import Primed
from app.pipeline.remembering import Remembering
from app.pipeline.retrieving import Retrieving
from app.pipeline.route import Route, check_allowed
from app.pipeline.screen import Guarding
from app.pipeline.stages import Reply, Stages
from app.retrieval.passages import citations
from app.retrieval.types import Vector
from app.wire.chat import ChatRequest
from app.wire.extension import CacheRequest

__all__ = ["Pipeline", "Reply", "Stages"]

FAILURES = 2  # of generations that a request follows, before it fails of what the last one failed of


class Pipeline:
    """Answers chat and text completion requests."""

    def __init__(self, config: StackConfig, stages: Stages, identity: Identity) -> None:
        self.router = stages.router
        self.caching = Caching(config.cache, stages.cache, stages.semantic, stages.leases)
        self._config = config
        self._stages = stages
        self._desks = Desks(config, stages.cache, identity, stages.versions, stages.dispatching.planner)
        self.guarding = self._guarding = Guarding(config.guard, stages.guard, identity.hash_key)
        self._asking = Asking(config, stages.prompts, self._guarding)
        self._retrieving = Retrieving(config.retrieval, stages.search, stages.embed, self._guarding, stages.ask)
        self._remembering = Remembering(config, stages.memory, self._guarding)

    def use_of(self, cache_control: str | None, wish: CacheRequest) -> CacheUse:
        """What a client allows the cache, where the configuration does."""
        return CacheUse.of(cache_control, wish, self._config.cache)

    async def answer(self, request: Request, flight: Flight, use: CacheUse) -> Reply:
        """Travel the whole way. Raises SextantError; failures are settled here, streams at their end."""
        try:
            reply = await flight.before_deadline(self._answer(request, flight, use))
            if reply.chunks is not None:
                # The status line is only sent once there is something to send after it.
                await reply.chunks.prime()
        except BaseException as error:
            if not flight.settles_itself:
                await flight.settle(error)
            raise
        if reply.chunks is None and not flight.settles_itself:
            await flight.settle()
        return reply

    async def _answer(self, request: Request, flight: Flight, use: CacheUse) -> Reply:
        journey = await self._depart(request, flight, use)
        try:
            return await self._travel(journey)
        except BaseException:
            if journey.clearance is not None and not flight.settles_itself:
                journey.clearance.cancel()  # (a shared generation that goes on without this client needs the verdict)
            raise

    async def _travel(self, journey: Journey) -> Reply:
        if reply := await self._from_exact(journey):
            return reply
        self._refuse_the_exhausted(journey)
        if reply := await self._screen(journey):
            return reply
        if reply := await self._retrieve(journey):
            return reply
        if reply := await self._from_near(journey):
            return reply
        if reply := await self._from_others(journey):
            return reply
        await self._remembering.gather(journey)
        return await self._generate(journey)

    async def _depart(self, request: Request, flight: Flight, use: CacheUse) -> Journey:
        wish = request.sextant.retrieval if isinstance(request, ChatRequest) else None
        route = self.router.route(request.model, wish)
        check_allowed(flight.caller, request.model)
        flight.model = route.base.id
        await flight.admit(request.model)
        draft = Draft.of(request)
        policy = self._guarding.policy_of(flight, route)
        self._check(request, route, draft, policy)
        prompts, use = self._asking.prompts(route, flight), self._remembering.use_of(request, flight.caller, use)
        desk = await self._desks.open(request, draft.body, route, prompts, flight.caller, use, policy)
        journey = Journey(request, route, flight, prompts, draft, desk, policy=policy)
        await self._remembering.open(journey)
        return journey

    def _check(self, request: Request, route: Route, draft: Draft, policy: str) -> None:
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
        self._guarding.check_length(draft)
        self._guarding.check_schema(draft, policy)

    def _refuse_the_exhausted(self, journey: Journey) -> None:
        """Before any work is done for it. Raises BudgetExceeded."""
        route, reservation = journey.route, journey.flight.reservation
        if reservation is None or not reservation.exhausted or not route.is_never_free:
            return
        if not (route.alias and route.alias.budget_fallback):
            raise reservation.exhausted

    async def _from_exact(self, journey: Journey) -> Reply | None:
        found = await self.caching.look_up(journey.desk, journey.flight)
        if found is None:
            return None
        if found.is_stale and journey.desk.use.write:
            self._revalidate(journey)
        return self._replay(journey, found.entry)

    async def _screen(self, journey: Journey) -> Reply | None:
        """Guard the request while its question is embedded; a masked one asks the cache anew."""
        flight = journey.flight
        nearing = asyncio.ensure_future(self._near(journey))
        try:
            known = journey.recall.vault if journey.recall else None
            spoken = journey.draft.spoken
            screened = journey.screened = await self._guarding.request(spoken, journey.policy, flight, known)
            if not screened.changed:
                journey.near = await nearing
        finally:
            if not nearing.done():
                nearing.cancel()
            elif not nearing.cancelled():
                nearing.exception()  # nobody else may ask for it
        if screened.failed_open:
            # What no guard has seen is not kept.
            journey.desk = replace(journey.desk, use=replace(journey.desk.use, write=False))
        if screened.changed:
            journey.draft = journey.draft.with_texts(screened.texts)
            # Placeholders are numbered: with several of them, two questions that look alike may have them crossed.
            journey.desk = journey.desk.masked(journey.draft.body, is_comparable=len(screened.vault) == 1)
            if reply := await self._from_exact(journey):
                return reply
            journey.near = await self._near(journey)
        self._remembering.screened(journey)
        self._capture(journey)
        draft = journey.draft
        journey.clearance = self._guarding.begin_slow(draft.spoken, draft.question or "", journey.policy, flight)
        return None

    async def _near(self, journey: Journey) -> Near:
        """The question's vector, where anybody needs it, and what the semantic tier has beside it."""
        route, flight, desk = journey.route, journey.flight, journey.desk
        place = None if route.retrieval else self.caching.place(desk)
        if place is not None:
            return await self.caching.find(place, None, read=desk.use.read, flight=flight)
        routing, recall = journey.request.sextant.routing, journey.recall
        is_recalled = recall is not None and recall.wants_vector
        is_routed_by = self._stages.dispatching.planner.needs_vector(route.requested, routing)
        if not (route.retrieval or is_recalled or is_routed_by):
            return Near()
        question = self._retrieving.question(journey)
        return Near() if question is None else Near(await self._embed(question, journey))

    async def _embed(self, text: str, journey: Journey) -> Vector | None:
        """The text's vector. A router alone can do without one: None when there is none to be had."""
        try:
            with journey.flight.timeline.stage("embed"):
                return (await self._stages.embed.embed([text]))[0]
        except SextantError:
            if journey.route.retrieval:
                raise
            return None

    async def _retrieve(self, journey: Journey) -> Reply | None:
        """Search and pack; then the cache is asked by what the answer would be drawn from."""
        route, flight, vector = journey.route, journey.flight, journey.near.vector
        if route.retrieval is None or vector is None:
            return None
        is_relevant = await self._retrieving.passages(journey)
        packed = journey.passages or []
        if flight.failed_open:
            journey.desk = replace(journey.desk, use=replace(journey.desk.use, write=False))
        if not is_relevant and self._retrieving.abstains(journey):
            return await self._abstain(journey)
        if not await self._desks.is_still_known(journey.desk):
            journey.desk = replace(journey.desk, is_known=False)  # documents have changed since it was opened
        journey.desk = journey.desk.upon(packed)
        if reply := await self._from_exact(journey):
            await journey.cleared()
            return reply
        if place := self.caching.place(journey.desk):
            # What was searched for may be more than the question.
            is_its = self._retrieving.question(journey) == journey.draft.question
            own = vector if is_its else None
            near = await self.caching.find(place, own, read=journey.desk.use.read, flight=flight)
            journey.near = near if near.vector is not None else replace(near, vector=vector)
        return None

    async def _abstain(self, journey: Journey) -> Reply:
        await journey.cleared()
        entry = self._retrieving.abstention(journey)
        self._remembering.told(journey)(entry)
        return self._replay(journey, entry)

    async def _from_near(self, journey: Journey) -> Reply | None:
        found = await self.caching.serve(journey.desk, journey.near, journey.flight)
        if found is None:
            return None
        await journey.cleared()
        self._audit(journey, found)
        return self._replay(journey, found.entry)

    async def _from_others(self, journey: Journey) -> Reply | None:
        """Follow the same request where one is under way, here or in another replica.

        Where several find a generation lost, one begins the next, and the others follow that: as long as generations
        fail there is one at a time, and who has seen FAILURES of them has its answer.
        """
        desk = journey.desk
        if not self._shares(desk) or not desk.use.read:
            return None
        key = self._shared_as(journey)
        failures = 0
        while True:
            if shared := self.caching.flights.under_way(key):
                await journey.cleared()
                try:
                    return await self._follow(shared, journey)
                except Lost as lost:
                    if lost.error is None:
                        continue
                    failures += 1
                    if failures == FAILURES:
                        raise lost.error from None
                    continue
            if found := await self.caching.elsewhere(key, desk, journey.flight):
                await journey.cleared()
                return self._replay(journey, found.entry)
            if not self.caching.flights.under_way(key):
                return None  # and from here to the beginning of the generation nobody else comes in

    async def _follow(self, shared: Shared, journey: Journey) -> Reply:
        flight, cache = journey.flight, journey.flight.cache
        flight.cache = "shared"
        try:
            if not (shared.streams and journey.request.stream):
                return self._replay(journey, await shared.entry())
            parts = shared.follow()
            first = await anext(parts)
        except Lost:
            flight.cache = cache
            raise
        return self._streamed(journey, journey.delivery.follow(_resumed(first, parts)))

    async def _generate(self, journey: Journey) -> Reply:
        flight, request, key = journey.flight, journey.request, self._shared_as(journey)
        try:
            generation = self._generation(journey)
        except BaseException:
            self.caching.give_back(key)
            raise
        if request.stream and not generation.is_held:
            made = generation.stream()
        else:
            made = generation.whole_as_stream() if request.stream else generation.whole()
        if journey.clearance is not None:
            made = journey.clearance.gate(made)
        if self._shares(journey.desk) and not self.caching.flights.under_way(key):
            made = self.caching.share(
                key,
                flight.to_the_end(made),
                streams=bool(request.stream),
                entry=lambda: generation.entry,
                deadline=flight.deadline,
            )
            flight.settles_itself = True
        elif request.stream:
            made = flight.to_the_end(made)
        if request.stream:
            return Reply(chunks=Primed(flight, journey.delivery.stream(made)))
        # To the end: what was used is durable then.
        parts = [part async for part in made]
        return Reply(body=journey.delivery.answer(parts[0]))

    def _generation(self, journey: Journey) -> Generation:
        flight, dispatching = journey.flight, self._stages.dispatching
        draft = self._remembering.weave(journey, self._asking.instruct(journey))
        trip = dispatching.trip(journey.route, journey.request.sextant.routing, draft, journey.near.vector, flight)
        return Generation(
            flight,
            dispatching.dispatcher,
            trip,
            citations(journey.passages or ()),
            self._asking.marks(journey),
            keep=lambda entry: self._keep(journey, entry),
            answering=journey.desk.answering,
            told=self._remembering.told(journey),
            cleared=journey.cleared,
            guard=self._asking.output_guard(journey),
            schema=self._asking.schema_check(journey, draft, lambda said: dispatching.ask_again(trip, said, flight)),
        )

    def _shares(self, desk: CacheDesk) -> bool:
        return self._config.cache.single_flight and desk.may_share

    def _shared_as(self, journey: Journey) -> str:
        """What those who share a generation have in common: the key, and how the answer may come about. (Not every one
        may be answered by the other tier or a fallback, and nobody waits for a batch.)"""
        flight, routing = journey.flight, journey.request.sextant.routing.model_dump_json()
        exhausted = bool(flight.reservation and flight.reservation.exhausted)
        how = f"{flight.caller.batch is not None:d}{exhausted:d}:{journey.route.requested}:{routing}"
        return f"{journey.desk.key}:{how}"

    def _keep(self, journey: Journey, entry: Entry | None) -> None:
        if entry is not None and not journey.flight.failed_open and journey.desk.keep(entry):
            self.caching.learn(journey.desk, journey.near, entry)

    def _replay(self, journey: Journey, entry: Entry) -> Reply:
        self._capture(journey)
        if journey.request.stream:
            return self._streamed(journey, journey.delivery.replay_stream(entry))
        return Reply(body=journey.delivery.replay(entry))

    def _streamed(self, journey: Journey, chunks: Chunks) -> Reply:
        return Reply(chunks=Primed(journey.flight, journey.flight.to_the_end(chunks)))

    def _audit(self, journey: Journey, served: Found) -> None:
        """Answer a share of the hits anew, in the background, and compare."""
        proposal, place = journey.near.proposal, self.caching.place(journey.desk)
        if proposal is None or place is None or not proposal.is_audited:
            return

        async def ask() -> str | None:
            answer = await self._stages.dispatching.ask_unbilled(
                journey.route,
                journey.request.sextant.routing,
                self._asking.instruct(journey),
                journey.near.vector,
                journey.flight.caller,
            )
            entry = await self._asking.finish(journey, answer)
            return text_of(entry) if entry is not None and journey.desk.would_keep(entry) else None

        self.caching.audit(place, proposal, served.entry, ask)

    def _revalidate(self, journey: Journey) -> None:
        """Make a stale answer anew, in the background, for the caller who got it; the next one gets the new one."""
        flight, use = journey.flight, replace(journey.desk.use, read=False, max_age_s=None)
        whole = journey.request.model_copy(update={"stream": False, "stream_options": None})

        async def make() -> None:
            deadline = asyncio.get_running_loop().time() + self._config.gateway.request_timeout_s
            await self.answer(whole, flight.again(deadline), use)

        self.caching.revalidate(journey.desk.key, flight, make)

    def _capture(self, journey: Journey) -> None:
        """Let the trace have the masked texts, where that is wanted; what no guard has seen never."""
        if self._config.observability.capture_content and not journey.screened.failed_open:
            journey.flight.content = {"input": "\n\n".join(journey.draft.texts)}


async def _resumed(first: dict[str, Any], rest: Chunks) -> Chunks:
    """A stream whose first chunk was taken out before."""
    async with aclosing(rest):
        yield first
        async for chunk in rest:
            yield chunk
