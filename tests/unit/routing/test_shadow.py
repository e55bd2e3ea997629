"""Shadow: a second model hears the request, and the request notices nothing of it."""

import asyncio

import pytest

from app.errors import UpstreamFailed
from app.routing.events import ShadowDropped, ShadowFinished
from tests.unit.routing.trips import Act, Journey, ScriptedPort, attempts, failing, hanging, target
from tests.unit.routing.virtual_time import in_virtual_time, now


async def shadows(journey: Journey) -> list[ShadowFinished]:
    """The events of mirrored requests. By then all have ended: virtual time is free."""
    await asyncio.sleep(3600)
    return [event for event in journey.events if isinstance(event, ShadowFinished)]


@in_virtual_time
async def test_a_stream_is_mirrored_as_a_stream_and_its_times_and_tokens_told() -> None:
    journey = Journey({"a": ScriptedPort(), "new": ScriptedPort(Act(first_after_s=2))})
    trip, started = journey.trip("a", shadow=target("new")), now()
    assert await journey.text(trip) == "Hello world"
    assert now() - started < 0.1
    (event,) = await shadows(journey)
    assert (event.target, event.answer_id, event.error) == ("new", "answer-1", None)
    assert (event.prompt_tokens, event.completion_tokens) == (7, 2)
    assert event.first_token_ns is not None
    assert event.start_ns <= event.first_token_ns <= event.end_ns
    assert journey.ports["new"].bodies[0]["model"] == "new-engine"
    assert journey.ports["new"].request_ids == ["answer-1-shadow"]
    assert attempts(trip) == [("a", None)]
    assert journey.reserved == ["a"], "a shadow costs its caller nothing"


@in_virtual_time
async def test_a_whole_answer_is_mirrored_whole() -> None:
    journey = Journey({"a": ScriptedPort(), "new": ScriptedPort()})
    await journey.dispatcher.complete(journey.trip("a", stream=False, shadow=target("new")))
    (event,) = await shadows(journey)
    assert (event.prompt_tokens, event.completion_tokens, event.first_token_ns) == (7, 2, None)


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (failing(UpstreamFailed("down")), "upstream_failed"),
        (failing(RuntimeError("bug")), "RuntimeError"),
        (hanging(), "deadline_exceeded"),
        (Act(is_cut=True), "upstream_failed"),
    ],
)
@in_virtual_time
async def test_what_becomes_of_a_shadow_is_told_and_held_against_nobody(act: Act, error: str) -> None:
    journey = Journey({"a": ScriptedPort(), "new": ScriptedPort(act)}, {"breaker_failures": 1})
    assert await journey.text(journey.trip("a", shadow=target("new"))) == "Hello world"
    (event,) = await shadows(journey)
    assert event.error == error
    assert "new" not in journey.board.snapshot()
    assert journey.open == 0


@pytest.mark.parametrize("stream", [True, False])
@in_virtual_time
async def test_what_a_shadow_costs_is_told(stream: bool) -> None:
    priced = target("new", input_usd_per_million=2, output_usd_per_million=10)
    journey = Journey({"a": ScriptedPort(), "new": ScriptedPort()})
    trip = journey.trip("a", stream=stream, shadow=priced)
    await (journey.text(trip) if stream else journey.dispatcher.complete(trip))
    (event,) = await shadows(journey)
    assert event.cost_nano == 7 * 2000 + 2 * 10_000


@pytest.mark.parametrize(
    ("act", "costs"),
    [
        (failing(UpstreamFailed("down")), False),  # nothing was generated
        (Act(is_cut=True), True),
        (hanging(), True),  # its prompt has been read
    ],
)
@in_virtual_time
async def test_a_shadow_that_was_at_work_costs_what_can_be_estimated(act: Act, costs: bool) -> None:
    priced = target("new", input_usd_per_million=2, output_usd_per_million=10)
    journey = Journey({"a": ScriptedPort(), "new": ScriptedPort(act)})
    await journey.text(journey.trip("a", shadow=priced))
    (event,) = await shadows(journey)
    assert (event.cost_nano > 0, event.prompt_tokens > 0) == (costs, costs)


@in_virtual_time
async def test_what_failed_is_not_mirrored() -> None:
    journey = Journey({"a": ScriptedPort(failing(UpstreamFailed("down"))), "new": ScriptedPort()})
    with pytest.raises(UpstreamFailed):
        await journey.text(journey.trip("a", shadow=target("new")))
    await asyncio.sleep(10)
    assert journey.ports["new"].called_at == []


@in_virtual_time
async def test_past_its_bound_mirrored_requests_are_dropped_and_counted() -> None:
    journey = Journey({"a": ScriptedPort(), "new": ScriptedPort(hanging())})
    for _ in range(5):
        assert await journey.text(journey.trip("a", shadow=target("new"))) == "Hello world"
    assert journey.shadow.dropped == 3
    assert [event for event in journey.events if isinstance(event, ShadowDropped)] == [ShadowDropped("new")] * 3
    assert journey.ports["new"].open == 2
    assert len(await shadows(journey)) == 2
    await journey.text(journey.trip("a", shadow=target("new")))
    assert journey.shadow.dropped == 3, "there is room again"
    await journey.shadow.aclose()
    assert journey.open == 0
