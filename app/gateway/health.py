"""Liveness and readiness: what the stack depends on, and how each of it is."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from app.routing.board import TargetStatus

Probe = Callable[[], Awaitable[bool]]
PROBE_TIMEOUT_S = 2.0
# Anybody may ask, so asking often must not cost more than asking once.
MAX_AGE_S = 0.5


@dataclass(frozen=True, slots=True)
class Dependency:
    """Something the stack needs. Without a required one, no request can be answered, unless another of its group is up.

    One that is not required can stand in for others of its group, and is not missed itself.
    """

    probe: Probe
    required: bool
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Readiness:
    """`GET /readyz`: 200 while every required dependency is up, of a group one."""

    ready: bool
    body: dict[str, Any]


class ReadinessCheck:
    """Probes all dependencies at the same time, at most twice a second however often it is asked."""

    def __init__(
        self, dependencies: Mapping[str, Dependency], targets: Callable[[], Mapping[str, TargetStatus]] = dict
    ) -> None:
        """`targets`: the state of each model that this process has asked."""
        self._dependencies = dependencies
        self._targets = targets
        self._probing = asyncio.Lock()
        self._latest: tuple[float, Readiness] | None = None

    async def check(self) -> Readiness:
        """The state of each dependency, at most half a second old."""
        async with self._probing:
            if self._latest is None or time.monotonic() - self._latest[0] > MAX_AGE_S:
                readiness = await _check(self._dependencies)
                readiness.body["targets"] = {name: asdict(status) for name, status in self._targets().items()}
                self._latest = time.monotonic(), readiness
            return self._latest[1]


async def _check(dependencies: Mapping[str, Dependency]) -> Readiness:
    names = list(dependencies)
    states = await asyncio.gather(*(_probe(dependencies[name]) for name in names))
    by_name = dict(zip(names, states, strict=True))
    down = [name for name in names if by_name[name]["state"] == "down"]
    stand_ins = {dependencies[name].group for name in names if name not in down} - {None}
    ready = not any(dependencies[name].required and dependencies[name].group not in stand_ins for name in down)
    status = "ready" if not down else "degraded" if ready else "unready"
    return Readiness(ready, {"status": status, "dependencies": by_name})


async def _probe(dependency: Dependency) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            up = await dependency.probe()
    except Exception:
        up = False
    latency_ms = round((time.perf_counter() - started) * 1000, 2)
    return {"state": "up" if up else "down", "latency_ms": latency_ms, "required": dependency.required}
