"""What the verified tier is measured against: fixed thresholds chosen in hindsight, and vCache as it was published."""

import math
from dataclasses import dataclass
from random import Random

import numpy as np

from app.cache.semantic.types import MAX_OBSERVATIONS, Judge
from app.evals.cache_simulation.run import STEP_MS, TTL_STEPS
from app.evals.cache_simulation.stream import Request
from app.evals.cache_simulation.world import World

CANDIDATES = 4


@dataclass(slots=True)
class _Entry:
    intent: str
    expires_ms: int
    seen: list[tuple[float, bool]]


class _Entries:
    """What is kept, by row."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kept: dict[int, _Entry] = {}

    def near(self, row: int, now_ms: int, limit: int) -> list[tuple[int, _Entry, float]]:
        found = []
        for other, cosine in self._world.neighbours[row]:
            entry = self._kept.get(other)
            if entry is not None and entry.expires_ms > now_ms:
                found.append((other, entry, cosine))
                if len(found) == limit:
                    break
        return found

    def keep(self, row: int, intent: str, now_ms: int) -> None:
        self._kept[row] = _Entry(intent, now_ms + TTL_STEPS * STEP_MS, [])


class FixedThreshold:
    """Serves the nearest entry from a cosine on; with a judge, the nearest that it does not refuse."""

    def __init__(self, world: World, threshold: float, judge: Judge | None = None) -> None:
        self._world = world
        self._entries = _Entries(world)
        self._threshold = threshold
        self._judge = judge

    async def ask(self, request: Request, row: int, now_ms: int) -> str | None:
        for other, entry, cosine in self._entries.near(row, now_ms, CANDIDATES if self._judge else 1):
            if cosine < self._threshold:
                break
            if (
                self._judge is None
                or self._judge.judge(self._world.texts[other], request.text, cosine).score >= self._judge.min_score
            ):
                return entry.intent
        self._entries.keep(row, request.intent, now_ms)
        return None


class PublishedVCache:
    """vCache (Schroeder et al., arXiv 2502.03771, algorithm 1) on the cosine, each entry by itself.

    L(s) = 1 / (1 + exp(-g (s - t))) by maximum likelihood of the entry's labels; explore with probability
    tau = min over e of 1 - delta / (1 - (1 - e) L(s; t'(e), g)), t'(e) being the upper end of t's band. Its bound is
    on wrong answers among all requests.
    """

    QUANTILES = ((0.01, 2.326), (0.05, 1.645), (0.1, 1.282), (0.2, 0.842), (0.3, 0.524), (0.4, 0.253), (0.5, 0.0))
    FEWEST = 6  # labels before anything is served

    def __init__(self, world: World, max_error_rate: float, seed: int) -> None:
        self._entries = _Entries(world)
        self._delta = max_error_rate
        self._random = Random(seed)  # noqa: S311

    async def ask(self, request: Request, row: int, now_ms: int) -> str | None:
        near = self._entries.near(row, now_ms, 1)
        if not near:
            self._entries.keep(row, request.intent, now_ms)
            return None
        _, entry, cosine = near[0]
        if self._random.random() >= self._explore(entry.seen, cosine):
            return entry.intent
        same = entry.intent == request.intent
        entry.seen = [*entry.seen, (cosine, same)][-MAX_OBSERVATIONS:]
        if not same:
            self._entries.keep(row, request.intent, now_ms)
        return None

    def _explore(self, seen: list[tuple[float, bool]], cosine: float) -> float:
        if len(seen) < self.FEWEST:
            return 1.0
        t, g, sd = _fit(seen)
        least = 1.0
        for e, z in self.QUANTILES:
            right = (1 - e) / (1 + math.exp(-min(max(g * (cosine - t - z * sd), -50), 50)))
            least = min(least, 1 - self._delta / max(1 - right, 1e-9))
        return max(0.0, least)


def _fit(seen: list[tuple[float, bool]]) -> tuple[float, float, float]:
    """t, g, and the standard deviation of t by the delta method. A weak ridge keeps separable labels finite."""
    scores = np.array([score for score, _ in seen])
    same = np.array([float(y) for _, y in seen])
    design = np.stack([np.ones_like(scores), (scores - 0.85) * 10], axis=1)
    ridge = np.diag([0.05, 0.05])
    weights = np.array([0.0, 1.0])
    for _ in range(12):
        right = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        hessian = (design * (right * (1 - right))[:, None]).T @ design + ridge
        step = np.linalg.solve(hessian, design.T @ (same - right) - ridge @ (weights - (0, 1)))
        weights += step / max(1.0, float(np.abs(step).max()) / 2)
    a, b = weights[0], max(weights[1], 0.05)
    centre = -a / b
    gradient = np.array([-1 / b, a / b**2])
    sd = math.sqrt(float(gradient @ np.linalg.inv(hessian) @ gradient))
    return 0.85 + centre / 10, 10 * b, sd / 10
