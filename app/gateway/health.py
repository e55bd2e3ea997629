"""Liveness and readiness: what the stack depends on, and how each of it is."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

Probe = Callable[[], Awaitable[bool]]
PROBE_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Dependency:
    """Something the stack needs. Without a required one, no request can be answered."""

    probe: Probe
    required: bool


@dataclass(frozen=True, slots=True)
class Readiness:
    """`GET /readyz`: 200 while every required dependency is up."""

    ready: bool
    body: dict[str, Any]


async def check(dependencies: Mapping[str, Dependency]) -> Readiness:
    """Probe all at the same time, each for at most two seconds."""
    names = list(dependencies)
    states = await asyncio.gather(*(_probe(dependencies[name]) for name in names))
    by_name = dict(zip(names, states, strict=True))
    down = [name for name in names if by_name[name]["state"] == "down"]
    ready = not any(dependencies[name].required for name in down)
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
