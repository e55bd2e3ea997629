"""The semantic tier: which entry answers a question that means the same, and what is learned when it does not."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from random import Random
from weakref import WeakValueDictionary

from app.cache.semantic.decision import Decider, Fixed, Rating, Verified, is_drawn
from app.cache.semantic.labels import Label
from app.cache.semantic.model import COSINE_PRIOR, Prior
from app.cache.semantic.points import point_id
from app.cache.semantic.tally import ErrorRate, Tally
from app.cache.semantic.types import (
    MAX_OBSERVATIONS,
    Indexed,
    Judge,
    Observation,
    Proposal,
    SemanticIndex,
    Verdict,
)
from app.clock import now_ms
from app.config.cache import SemanticConfig
from app.retrieval.types import Vector

# How far behind the nearest an entry may lie and still be judged, which takes 1 to 2 ms. Of 687 hits among 700 labelled
# groups (the judge that is trained on the other half) this one loses none; 0.05 loses one.
MOST_BEHIND = 0.15
SILENT_MS = 1000  # how long a store that could not be read is left alone
FALLEN_BACK = "the tenant's error rate is past its bound"
EXPLORED = "explored by chance"
UNSURE = "not sure enough"
NOT_RECALLED = "what was learned before cannot be read"


@dataclass(frozen=True, slots=True)
class SemanticStats:
    """What the tier has done since it started, and the tenants' error rates.

    `proposed` to be served, `explored` and `without_candidate` are look-ups. Not each proposal is taken: where the
    guard masks the question it is looked up again, and an answer may be gone.
    """

    entries: int
    proposed: int
    explored: int
    without_candidate: int
    judged: int
    dropped: int  # points that could not be read
    tenants: tuple[ErrorRate, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class _Likeness:
    """The verdict where no second check is wanted."""

    score: float
    reason: str = ""
    is_refused: bool = False


class CosineJudge:
    """The cosine itself as the score."""

    min_score = 0.0

    def judge(self, a: str, b: str, cosine: float | None = None, tenant: str = "") -> Verdict:
        return _Likeness(min(max(cosine or 0.0, 0.0), 1.0))


class SemanticTier:
    """Finds, decides, remembers and learns; `index`, `judge` and `tally` are handed in.

    Never sees two tenants or two scopes at once: the index is asked within one of each.
    """

    def __init__(
        self,
        config: SemanticConfig,
        index: SemanticIndex,
        judge: Judge,
        tally: Tally,
        *,
        random: Random | None = None,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._config = config
        self._index = index
        self._judge: Judge = judge if config.second_check else CosineJudge()
        self._tally = tally
        self._random = random or Random()  # noqa: S311  (chance, not a secret)
        self._clock = clock
        self._decider = _decider(config, self._judge)
        self._learning: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # by tenant
        # One thread: the judge holds the interpreter's lock most of the time.
        self._thread = ThreadPoolExecutor(1, "semantic-judge")
        self._silent_until_ms = 0
        self._proposed = self._explored = self._alone = self._judged = 0

    async def find(
        self, tenant: str, scope: str, question: str, vector: Vector, *, here: bool = False
    ) -> Proposal | None:
        """The best candidate, and whether it is served; None when nothing is near. `here`: judged on the loop, which
        saves a thread's start where nobody else waits for it."""
        near = await self._index.search(tenant, scope, vector, self._config.candidates, self._clock())
        least = max(self._config.min_similarity, near[0][1] - MOST_BEHIND) if near else 0.0
        near = [(entry, cosine) for entry, cosine in near if cosine >= least]
        if not near:
            self._alone += 1
            return None
        is_recalled = await self._recall(tenant)
        ratings = await self._rate(question, near, here)
        best = min(ratings, key=lambda rating: (not rating.would_serve, rating.risk))
        self._decider.note(best)
        reason = await self._refusal(tenant, best) if is_recalled else NOT_RECALLED
        if reason:
            self._explored += 1
            return _proposal(best, "explore", reason)
        self._proposed += 1
        self._index.used(best.entry.id)
        return _proposal(best, "serve", "", is_audited=is_drawn(self._config.audit_share, self._random))

    async def remember(self, tenant: str, scope: str, question: str, vector: Vector, key: str, ttl_s: float) -> None:
        """Index an answer that was made just now. It replaces the question's earlier one in this scope, and nothing is
        held against it that was observed of that one."""
        now = self._clock()
        id = point_id(tenant, scope, question)
        await self._index.put(Indexed(id, tenant, scope, question, key, now, now + int(ttl_s * 1000)), vector)

    async def observe(self, tenant: str, proposal: Proposal, same: bool) -> None:
        """A label of a proposal: whether the entry's answer was the right one. An entry that is gone still teaches."""
        is_recalled = await self._recall(tenant)
        async with self._lock(tenant):  # read, change, write
            entry = await self._index.get(proposal.entry_id)
            if entry is not None:
                if entry.tenant != tenant:
                    return
                seen = (*entry.observations, Observation(proposal.score, same))[-MAX_OBSERVATIONS:]
                await self._index.set_observations(entry.id, seen)
            label = Label(proposal.entry_id, proposal.score, same, proposal.risk)
            if is_recalled:  # else it comes with the others, once they can be read
                self._decider.learn(tenant, label)
            await self._tally.labels.add(tenant, label)
        self._judged += 1
        if proposal.risk is not None:
            await self._tally.add(tenant, wrong=not same)

    async def forget(self, entry_id: str) -> None:
        """Its answer is gone, or cannot be read."""
        await self._index.delete([entry_id])

    async def purge(self, tenant: str | None) -> int:
        """Remove a tenant's entries, or all. Returns how many there were."""
        return await self._index.purge(tenant)

    async def stats(self) -> SemanticStats:
        """For the operator."""
        return SemanticStats(
            entries=await self._index.count(),
            proposed=self._proposed,
            explored=self._explored,
            without_candidate=self._alone,
            judged=self._judged,
            dropped=self._index.dropped,
            tenants=tuple(self._tally.rates()),
        )

    def error_rate(self, tenant: str) -> ErrorRate:
        """A tenant's, as it is known here."""
        return self._tally.rate(tenant)

    async def close(self) -> None:
        """Release the index."""
        self._thread.shutdown(wait=True)
        await self._index.close()

    async def _rate(self, question: str, near: list[tuple[Indexed, float]], here: bool) -> list[Rating]:
        """The nearest first, until one would be served. Judging is work for the thread, what was learned the loop's."""
        loop = asyncio.get_running_loop()
        ratings: list[Rating] = []
        for entry, cosine in near:
            pair = entry.question, question, cosine, entry.tenant
            if here:
                verdict = self._judge.judge(*pair)
            else:
                verdict = await loop.run_in_executor(self._thread, self._judge.judge, *pair)
            rating = self._decider.rate(entry, cosine, verdict.score, verdict.reason)
            ratings.append(replace(rating, would_serve=False) if verdict.is_refused else rating)
            if ratings[-1].would_serve:
                break
        return ratings

    async def _recall(self, tenant: str) -> bool:
        """At a tenant's first request, what was learned of it before. False when that cannot be read now."""
        if self._decider.knows(tenant):
            return True
        async with self._lock(tenant):
            if self._decider.knows(tenant):
                return True
            if self._clock() < self._silent_until_ms:
                return False
            labels = await self._tally.labels.read(tenant)
            if labels is None:
                self._silent_until_ms = self._clock() + SILENT_MS  # or all who wait would ask it, one after the other
                return False
            self._decider.recall(tenant, labels)
            return True

    def _lock(self, tenant: str) -> asyncio.Lock:
        return self._learning.setdefault(tenant, asyncio.Lock())

    async def _refusal(self, tenant: str, best: Rating) -> str:
        if not best.would_serve:
            return best.reason or UNSURE
        if await self._tally.is_past_bound(tenant):
            return FALLEN_BACK
        return EXPLORED if is_drawn(self._decider.explored(tenant), self._random) else ""


def _decider(config: SemanticConfig, judge: Judge) -> Decider:
    if config.decision == "fixed":
        return Fixed(config.threshold, judge.min_score)
    return Verified(config.max_error_rate, Prior() if config.second_check else COSINE_PRIOR)


def _proposal(best: Rating, decision: str, reason: str, is_audited: bool = False) -> Proposal:
    return Proposal(
        best.entry.id,
        best.entry.key,
        best.similarity,
        best.score,
        "serve" if decision == "serve" else "explore",
        reason,
        best.risk if best.would_serve else None,
        is_audited,
    )
