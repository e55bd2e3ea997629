"""The cache as the pipeline uses it: both tiers asked in turn, what was found told, what was made learned from."""

import asyncio
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from app.cache.background import Background
from app.cache.desk import CacheDesk, Place
from app.cache.entry import Entry
from app.cache.exact import ExactCache, Found
from app.cache.lease import Leases
from app.cache.semantic.types import Proposal
from app.cache.single_flight import Chunk, SingleFlight
from app.config import CacheConfig
from app.errors import SextantError
from app.pipeline.flight import Flight, Reuse
from app.pipeline.output import content_of
from app.pipeline.ports import SemanticPort
from app.retrieval.types import Vector

MAX_IN_BACKGROUND = 64
MAX_REVALIDATING = 8


@dataclass(frozen=True, slots=True)
class Near:
    """A question's vector, and what the semantic tier has beside it; `has_failed`: it did not say, or not in time."""

    vector: Vector | None = None
    proposal: Proposal | None = None
    has_failed: bool = False


class Caching:
    """Both tiers and the generations under way. Whatever fails here is a miss."""

    def __init__(
        self, config: CacheConfig, exact: ExactCache | None, semantic: SemanticPort | None, leases: Leases | None
    ) -> None:
        self.exact = exact
        self.flights = SingleFlight()
        self.background = Background(MAX_IN_BACKGROUND)
        self._config = config
        self._semantic = semantic if exact is not None else None
        self._leases = leases
        self._revalidating: set[str] = set()
        self._looking: dict[str, asyncio.Future[None]] = {}  # by key: done when that look-up is

    async def look_up(self, desk: CacheDesk, flight: Flight) -> Found | None:
        """The exact tier's answer. The request counts as a miss from the first look-up to the one that finds it."""
        was_missed, flight.cache = flight.cache == "miss", desk.state
        if not desk.is_readable:
            if flight.cache == "miss":
                self._count(None, was_missed=was_missed)
            return None
        with flight.timeline.stage("cache") as attributes:
            found = await desk.look_up()
            self._count(found, was_missed=was_missed)
            if found:
                flight.cache, flight.reuse = "exact", Reuse(found.age_s, tier=found.tier)
            attributes["sextant.cache"] = flight.cache
            return found

    def place(self, desk: CacheDesk) -> Place | None:
        """Where the question stands in the semantic tier; None where it is not to be compared by meaning."""
        if self._semantic is None:
            return None
        return desk.place(self._config.semantic.max_question_characters)

    async def find(self, place: Place, vector: Vector | None, *, read: bool, flight: Flight) -> Near:
        """The question's vector, made here unless there is one, and the nearest entry's proposal."""
        assert self._semantic is not None
        with flight.timeline.stage("semantic") as attributes:
            try:
                vector, proposal = await self._semantic.find(place, vector)
            except SextantError as error:
                attributes["sextant.cache.failure"] = error.code
                return Near(vector, has_failed=True)
            if proposal is None or not read:
                return Near(vector)
            attributes["sextant.cache.similarity"] = round(proposal.similarity, 4)
            attributes["sextant.cache.score"] = round(proposal.score, 4)
            attributes["sextant.cache.decision"] = proposal.decision
            attributes["sextant.cache.reason"] = proposal.reason
            return Near(vector, proposal)

    async def serve(self, desk: CacheDesk, near: Near, flight: Flight) -> Found | None:
        """The entry that is proposed, where it is to be served and is there."""
        proposal = near.proposal
        if proposal is None or proposal.decision != "serve":
            return None
        found = await desk.fetch(proposal.key)
        if found is not None and self.exact is not None:
            self.exact.count_by_meaning()
            flight.cache = "semantic"
            flight.reuse = Reuse(found.age_s, tier=found.tier, similarity=proposal.similarity)
        return found

    def learn(self, desk: CacheDesk, near: Near, entry: Entry) -> None:
        """An answer was kept: put its question into the index, and compare it with the one that was not served.

        Not where the look-up failed: a tier that is overloaded would get the more to do, the less it answers.
        """
        place = None if near.has_failed else self.place(desk)
        if place is not None:
            # Read now: delivery puts personal data back into an answer that only its own client gets.
            new = text_of(entry)
            self.background.start(self._learn(place, near, new, desk.use.ttl_s or self._config.ttl_s))

    def audit(self, place: Place, proposal: Proposal, served: Entry, ask: Callable[[], Awaitable[str | None]]) -> None:
        """Answer a served hit anew and compare. `ask` gives the new answer; None where there is none to compare."""
        old = text_of(served)

        async def work() -> None:
            new = await ask()
            if new is not None:
                await self._compare(place, proposal, old, new)

        self.background.start(work())

    async def elsewhere(self, key: str, desk: CacheDesk, flight: Flight) -> Found | None:
        """Wait, once, while another replica makes this very answer; then look whether it, or anybody else's that was
        finished since the first look, is there. None: it is to be made here, under a lease if one was to be had, or
        has been begun here meanwhile."""
        if self._leases is not None and not await self._leases.take(key):
            await self._leases.changed(key)
        is_to_be_made = False
        try:
            found = await self._look_for_all(key, desk)
            is_to_be_made = found is None
        finally:
            if not is_to_be_made:
                self.give_back(key)
        if found is not None:
            self._count(found, was_missed=True)
            flight.cache, flight.reuse = "shared", Reuse(found.age_s, tier=found.tier)
        return found

    async def _look_for_all(self, key: str, desk: CacheDesk) -> Found | None:
        """Look once more, one at a time: what one finds is in this process's memory for the others; where it finds
        nothing, it has begun to make it before they come on."""
        while other := self._looking.get(key):
            await asyncio.wait({other})
        if self.flights.under_way(key):
            return None
        looking = self._looking[key] = asyncio.get_running_loop().create_future()
        try:
            return await desk.look_up()
        finally:
            del self._looking[key]
            looking.set_result(None)

    def share(
        self,
        key: str,
        source: AsyncGenerator[Chunk, None],
        *,
        streams: bool,
        entry: Callable[[], Entry | None],
        deadline: float,
    ) -> AsyncGenerator[Chunk, None]:
        """Make an answer that all who ask the same meanwhile get. Returns the parts for the one who began."""
        end, stall = functools.partial(self.give_back, key), functools.partial(self._let_others, key)
        return self.flights.begin(
            key, source, streams=streams, entry=entry, on_end=end, on_stall=stall, deadline=deadline
        ).lead()

    def give_back(self, key: str) -> None:
        """End the lease, unless the answer is being made: it is over, or will not be made. Who waits for it elsewhere
        looks at the store at once, so what was made is there first."""
        if self._leases is not None and not self.flights.under_way(key):
            self._leases.give_back(key, after=self.exact.kept if self.exact is not None else None)

    def _let_others(self, key: str) -> None:
        """End the lease though the answer is being made: its readers take their time, and other replicas wait."""
        if self._leases is not None:
            self._leases.give_back(key)

    def revalidate(self, key: str, stale: Flight, make: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Make a stale answer anew in the background, when the one who got it has left its place; once at a time, in
        one of all replicas."""
        if key in self._revalidating or len(self._revalidating) >= MAX_REVALIDATING:
            return
        self._revalidating.add(key)
        lease = f"stale:{key}"

        async def work() -> None:
            try:
                await stale.settled.wait()
                if self._leases is None or await self._leases.take(lease):
                    await make()
            finally:
                self._revalidating.discard(key)
                self.give_back(lease)

        if not self.background.start(work()):
            self._revalidating.discard(key)

    def _count(self, found: Found | None, *, was_missed: bool) -> None:
        if self.exact is not None:
            self.exact.count(found, was_missed=was_missed)

    async def _learn(self, place: Place, near: Near, new: str, ttl_s: float) -> None:
        assert self._semantic is not None
        same: bool | None = None
        # (A question's own entry that was too old, or gone, would be compared with itself.)
        if near.proposal is not None and near.proposal.key != place.key and self.exact is not None:
            old = await self.exact.look_up(place.tenant, near.proposal.key)
            if old is None:
                await self._semantic.forget(near.proposal.entry_id)
            else:
                same = await self._compare(place, near.proposal, text_of(old.entry), new)
        if not same:
            # Where the older question's answer says the same, the older question stands for both.
            await self._semantic.remember(place, near.vector, ttl_s)

    async def _compare(self, place: Place, proposal: Proposal, old: str, new: str) -> bool | None:
        assert self._semantic is not None
        return await self._semantic.compare(place, proposal, old, new)


def text_of(entry: Entry) -> str:
    """What an entry says."""
    return "\n".join(content_of(choice) for choice in entry.answer["choices"])
