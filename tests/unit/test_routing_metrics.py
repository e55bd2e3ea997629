"""What routing tells reaches Ray's metrics: a shadow costs money, so its latency, errors and tokens are shown."""

import asyncio
from typing import Any

import pytest
from ray.util.metrics import Counter, Histogram

from app.errors import UpstreamFailed
from app.routing.events import BreakerChanged, RequestShed, ShadowDropped, ShadowFinished
from app.routing.shadow import Shadow
from app.routing.shed import Shedder
from deployments.routing_metrics import RoutingMetrics
from tests.unit.routing.trips import Journey, ScriptedPort, failing, target
from tests.unit.routing.virtual_time import in_virtual_time

Recorded = dict[tuple[str, ...], list[float]]  # values by name and tags


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """What Ray's own classes take, kept instead of being sent: they check names, tags and values as ever."""
    found: Recorded = {}

    def keep(metric: Any, value: float, tags: dict[str, str]) -> None:
        metric._validate_tags(metric._get_final_tags(tags))
        found.setdefault((metric.info["name"], *tags.values()), []).append(value)

    for kind in (Counter, Histogram):
        monkeypatch.setattr(kind, "_record", keep)
    return found


def finished(**facts: Any) -> ShadowFinished:
    times = {"start_ns": 10**18, "end_ns": 10**18 + 2_500_000_000, "first_token_ns": 10**18 + 250_000_000}
    return ShadowFinished(**{"target": "qwen", "answer_id": "a", "error": None, **times, **facts})


def test_a_shadow_that_answered_is_counted_with_latency_tokens_and_cost(recorded: Recorded) -> None:
    RoutingMetrics()(finished(prompt_tokens=7, completion_tokens=2, cost_nano=34_000))

    assert recorded == {
        ("sextant_shadow_requests", "qwen"): [1],
        ("sextant_shadow_seconds", "qwen"): [2.5],
        ("sextant_shadow_first_token_seconds", "qwen"): [0.25],
        ("sextant_shadow_tokens", "qwen", "prompt"): [7],
        ("sextant_shadow_tokens", "qwen", "completion"): [2],
        ("sextant_shadow_cost_usd", "qwen"): [0.000034],
    }


def test_a_shadow_that_failed_is_counted_by_its_code_and_makes_nobody_look_fast(recorded: Recorded) -> None:
    RoutingMetrics()(finished(error="upstream_failed", first_token_ns=None))

    assert recorded == {
        ("sextant_shadow_requests", "qwen"): [1],
        ("sextant_shadow_errors", "qwen", "upstream_failed"): [1],
    }


def test_what_was_dropped_and_what_was_shed_is_counted(recorded: Recorded) -> None:
    metrics = RoutingMetrics()
    for event in (ShadowDropped("qwen"), RequestShed(is_batch=False), RequestShed(is_batch=True)):
        metrics(event)
    metrics(BreakerChanged("qwen", "closed", "open", None))  # the log's affair

    assert recorded == {
        ("sextant_shadow_dropped", "qwen"): [1],
        ("sextant_requests_shed", "request"): [1],
        ("sextant_requests_shed", "batch"): [1],
    }


@in_virtual_time
async def mirrored(metrics: RoutingMetrics) -> None:
    journey = Journey({"a": ScriptedPort(), "new": ScriptedPort(failing(UpstreamFailed("down")))})
    shadow = Shadow(journey.ports, [metrics], max_in_flight=1)
    trip = journey.trip("a")
    shadow.mirror(trip, target("new"))
    shadow.mirror(trip, target("new"))
    await asyncio.sleep(10)


def test_a_shadow_and_a_shedder_tell_it_themselves(recorded: Recorded) -> None:
    metrics = RoutingMetrics()
    mirrored(metrics)
    with Shedder(1, 1, [metrics]).admitted():
        pass

    assert recorded == {
        ("sextant_shadow_requests", "new"): [1],
        ("sextant_shadow_errors", "new", "upstream_failed"): [1],
        ("sextant_shadow_dropped", "new"): [1],
    }
