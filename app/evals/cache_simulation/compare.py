"""The verified tier beside its opponents on one stream, for each bound."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from app.cache.semantic.tier import CosineJudge
from app.cache.semantic.types import Judge
from app.config.cache import SemanticConfig
from app.evals.cache_simulation.opponents import FixedThreshold, PublishedVCache
from app.evals.cache_simulation.run import Outcome, TierCache, run
from app.evals.cache_simulation.stream import Request
from app.evals.cache_simulation.world import RememberingJudge, World

BOUNDS = (0.01, 0.02, 0.05)
# Close together where few hits are wrong: a coarse grid would make the opponent weaker than it is.
THRESHOLDS = (0.6, 0.7, 0.8, 0.85, 0.88, 0.9, 0.92, 0.94, 0.95, 0.96, 0.965, 0.97, 0.975, 0.98, 0.983, 0.986, 0.988,
              0.99, 0.991, 0.992, 0.993, 0.994, 0.995, 0.996, 0.997, 0.998, 0.9985, 0.999, 0.9995)  # fmt: skip
VERIFIED, BY_COSINE = "verified", "verified, cosine alone"
FIXED, FIXED_JUDGE = "best fixed threshold", "best fixed threshold + judge"
PUBLISHED = "vCache as published"


@dataclass(frozen=True, slots=True)
class Trial:
    """One stream. The fixed thresholds are the best in hindsight; None where none keeps the bound."""

    seed: int
    bound: float
    verified: Outcome
    by_cosine: Outcome
    published: Outcome
    fixed: Outcome | None
    fixed_judge: Outcome | None

    @property
    def keeps_bound(self) -> bool:
        return self.verified.error_of_hits <= self.bound

    @property
    def is_ahead(self) -> bool:
        """Of the best fixed threshold that keeps the bound."""
        return self.verified.hit_rate > (self.fixed.hit_rate if self.fixed else 0.0)

    def outcomes(self) -> dict[str, Outcome | None]:
        return {
            VERIFIED: self.verified,
            FIXED: self.fixed,
            FIXED_JUDGE: self.fixed_judge,
            BY_COSINE: self.by_cosine,
            PUBLISHED: self.published,
        }


@dataclass(slots=True)
class Simulation:
    """A stream in a world, and what is told while it runs."""

    stream: Sequence[Request]
    world: World
    judge: Judge
    count: int
    seed: int
    label_noise: float = 0.0
    told: Callable[[], None] = field(default=lambda: None)

    STEPS = 2 * len(THRESHOLDS) + 3 * len(BOUNDS)

    async def trials(self) -> list[Trial]:
        """One trial for each bound."""
        judge = RememberingJudge(self.judge)
        plain = [await self._run(FixedThreshold(self.world, at), f"fixed {at}") for at in THRESHOLDS]
        judged = [await self._run(FixedThreshold(self.world, at, judge), f"judged {at}") for at in THRESHOLDS]
        return [
            Trial(
                self.seed,
                bound,
                await self._run(self._tier(bound, judge), VERIFIED),
                await self._run(self._tier(bound, None), BY_COSINE),
                await self._run(PublishedVCache(self.world, bound, self.seed), PUBLISHED),
                best(plain, bound),
                best(judged, bound),
            )
            for bound in BOUNDS
        ]

    def _tier(self, bound: float, judge: Judge | None) -> TierCache:
        config = SemanticConfig(enabled=True, max_error_rate=bound, second_check=judge is not None)
        return TierCache(config, self.world, judge or CosineJudge(), self.seed, self.label_noise)

    async def _run(self, cache: FixedThreshold | PublishedVCache | TierCache, name: str) -> Outcome:
        outcome = await run(cache, self.stream, self.world, self.count, name)
        if isinstance(cache, TierCache):
            await cache.tier.close()
        self.told()
        return outcome


def best(outcomes: Sequence[Outcome], bound: float) -> Outcome | None:
    """Of those that keep the bound, the one with the most hits."""
    kept = [outcome for outcome in outcomes if sum(outcome.hits) and outcome.error_of_hits <= bound]
    return max(kept, key=lambda outcome: outcome.hit_rate, default=None)
