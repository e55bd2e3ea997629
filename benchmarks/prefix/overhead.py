"""What prefix routing adds to a call, measured in a stack's Ray: `python -m benchmarks.prefix.overhead`, prints JSON.

Beside it, what Ray's own way costs: text instead of marks, waited for with `ray.get`, which stops the event loop.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.llm._internal.serve.routing_policies.prefix_aware.prefix_tree import PrefixTreeActor

from app.routing.prefix import prefix_marks
from benchmarks.prefix.sessions import Session
from deployments.prefix_router import RoutingTree

_CALLS = 300
_REPLICAS = ["first", "second"]


def main() -> None:
    """Measure, with the prompts of the sessions."""
    ray.init(address="auto", logging_level="ERROR", log_to_driver=False)
    bodies = [{"messages": Session.begin(number, 65).ask(0)} for number in range(20)]
    print(json.dumps(asyncio.run(_measure(bodies))))


async def _measure(bodies: list[dict[str, Any]]) -> dict[str, float]:
    tree = ray.remote(RoutingTree).options(num_cpus=0).remote()
    rays_tree = PrefixTreeActor.options(num_cpus=0).remote()
    ray.get(rays_tree.add_tenants.remote(_REPLICAS, time.time()))
    texts = ["".join(message["content"] for message in body["messages"]) for body in bodies]
    times: dict[str, list[float]] = {"marks": [], "best": [], "note": [], "ray_blocking": []}
    for call in range(_CALLS):
        number, replica = call % len(bodies), _REPLICAS[call % 2]
        with _timed(times["marks"]):
            marks = prefix_marks(bodies[number])
        with _timed(times["best"]):
            await tree.best.remote(marks, _REPLICAS, 0.1)
        with _timed(times["note"]):
            tree.note.remote(marks, replica)
        with _timed(times["ray_blocking"]):
            ray.get(rays_tree.prefix_match.remote(texts[number], _REPLICAS))
            ray.get(rays_tree.insert.remote(texts[number], replica, time.time()))
    return {f"{name}_p50_ms": statistics.median(found) * 1000 for name, found in times.items()}


@contextmanager
def _timed(times: list[float]) -> Iterator[None]:
    start = time.perf_counter()
    yield
    times.append(time.perf_counter() - start)


if __name__ == "__main__":
    main()
