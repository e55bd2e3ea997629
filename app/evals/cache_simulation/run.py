"""A stream through a cache: the exact tier first, then a semantic one."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from app.cache.semantic.tally import Tally
from app.cache.semantic.tier import SemanticTier
from app.cache.semantic.types import Judge, Proposal
from app.config.cache import SemanticConfig
from app.evals.cache_simulation.stream import Request
from app.evals.cache_simulation.world import SCOPE, TENANT, World, WorldIndex
from app.interval import wilson

STEP_MS = 1000
TTL_STEPS = 6000  # requests for which an answer stays


@dataclass(slots=True)
class Outcome:
    """What became of the requests that the exact tier did not answer."""

    name: str
    hits: list[bool] = field(default_factory=list)
    wrong: list[bool] = field(default_factory=list)

    def add(self, *, hit: bool, wrong: bool) -> None:
        self.hits.append(hit)
        self.wrong.append(wrong)

    @property
    def requests(self) -> int:
        return len(self.hits)

    @property
    def hit_rate(self) -> float:
        return sum(self.hits) / max(1, len(self.hits))

    @property
    def error_of_hits(self) -> float:
        return sum(self.wrong) / max(1, sum(self.hits))

    @property
    def error_of_requests(self) -> float:
        return sum(self.wrong) / max(1, len(self.hits))

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval of the share of wrong hits."""
        return wilson(sum(self.wrong), sum(self.hits))


class Cache(Protocol):
    """A semantic cache under simulation."""

    async def ask(self, request: Request, row: int, now_ms: int) -> str | None:
        """The intent whose answer is served; None when the request is answered anew (and kept)."""
        ...


class TierCache:
    """The real tier. Labels are given at once: by intents, or, with `label_noise`, wrong in that share."""

    def __init__(self, config: SemanticConfig, world: World, judge: Judge, seed: int, label_noise: float = 0.0) -> None:
        self._world = world
        self._now_ms = 0
        clock = self._clock
        tally = Tally(
            None,
            max_error_rate=config.max_error_rate,
            min_judged=config.min_judged,
            window_h=config.window_h,
            clock=clock,
        )
        self._random = Random(seed)  # noqa: S311
        self._noise = label_noise
        self.tier = SemanticTier(config, WorldIndex(world), judge, tally, random=self._random, clock=clock)
        self._intents: dict[str, str] = {}

    def _clock(self) -> int:
        return self._now_ms

    async def ask(self, request: Request, row: int, now_ms: int) -> str | None:
        self._now_ms = now_ms
        vector = self._world.vectors[row]
        proposal = await self.tier.find(TENANT, SCOPE, request.text, vector)
        if proposal is not None and proposal.decision == "serve":
            served = self._intents[proposal.key]
            if proposal.is_audited:
                await self._observe(proposal, served == request.intent)
            return served
        if proposal is not None:
            same = self._intents[proposal.key] == request.intent
            await self._observe(proposal, same)
        self._intents[request.text] = request.intent
        ttl_s = TTL_STEPS * STEP_MS / 1000
        await self.tier.remember(TENANT, SCOPE, request.text, vector, request.text, ttl_s)
        return None

    async def _observe(self, proposal: Proposal, same: bool) -> None:
        if self._noise and self._random.random() < self._noise:
            same = not same
        await self.tier.observe(TENANT, proposal, same)


async def run(cache: Cache, stream: Iterable[Request], world: World, count: int, name: str) -> Outcome:
    """Until `count` requests have passed that the exact tier has no answer to."""
    outcome = Outcome(name)
    exact: dict[str, int] = {}  # text -> when its answer is gone
    for step, request in enumerate(stream):
        now_ms = step * STEP_MS
        if exact.get(request.text, 0) > now_ms:
            continue
        served = await cache.ask(request, world.rows[request.text], now_ms)
        if served is None:
            exact[request.text] = now_ms + TTL_STEPS * STEP_MS
        outcome.add(hit=served is not None, wrong=served is not None and served != request.intent)
        if outcome.requests == count:
            break
    return outcome
