"""Whoever leaves takes everything along: no call, no task and no place in the books stays behind."""

import asyncio

import pytest

from app.errors import DeadlineExceeded, Unavailable, UpstreamFailed
from app.routing.types import Trip
from tests.unit.routing.trips import Act, Journey, ScriptedPort, attempts, failing, hanging, target
from tests.unit.routing.virtual_time import in_virtual_time, now

SLOW = Act(pieces=("a", "b", "c"), between_s=20)


async def cancel_after(journey: Journey, trip: Trip, seconds: float, is_stream: bool) -> None:
    """Let a client leave."""
    work = journey.text(trip) if is_stream else journey.dispatcher.complete(trip)
    client = asyncio.ensure_future(work)
    await asyncio.sleep(seconds)
    assert not client.done()
    client.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client


def assert_nothing_is_left(journey: Journey, trip: Trip) -> None:
    assert journey.open == 0
    status = journey.board.snapshot()["a"]
    assert (status.in_flight, status.state) == (0, "closed")
    assert trip.attempts[-1].end_ns >= trip.attempts[-1].start_ns


@pytest.mark.parametrize("is_stream", [True, False])
@in_virtual_time
async def test_cancelled_while_it_waits_for_the_first_token(is_stream: bool) -> None:
    journey = Journey({"a": ScriptedPort(hanging()), "b": ScriptedPort()})
    trip = journey.trip("a", "b", stream=is_stream)
    await cancel_after(journey, trip, 5, is_stream)
    assert_nothing_is_left(journey, trip)
    assert attempts(trip) == [("a", "CancelledError")]
    assert journey.board.snapshot()["a"].last_error is None
    assert trip.answered_by is None


@in_virtual_time
async def test_cancelled_in_the_middle_of_a_stream() -> None:
    journey = Journey({"a": ScriptedPort(SLOW)})
    trip = journey.trip("a")
    await cancel_after(journey, trip, 25, is_stream=True)
    assert_nothing_is_left(journey, trip)
    assert trip.answered_by == target("a")


@in_virtual_time
async def test_closed_in_the_middle_of_a_stream() -> None:
    journey = Journey({"a": ScriptedPort(SLOW)})
    trip = journey.trip("a")
    chunks = journey.dispatcher.stream(trip)
    await anext(chunks)
    assert journey.open == 1
    await chunks.aclose()
    assert_nothing_is_left(journey, trip)
    assert attempts(trip) == [("a", "GeneratorExit")]


@pytest.mark.parametrize("is_stream", [True, False])
@in_virtual_time
async def test_cancelled_while_it_waits_for_a_retry(is_stream: bool) -> None:
    journey = Journey({"a": ScriptedPort(failing(Unavailable("full", retry_after_s=4)))})
    trip = journey.trip("a", stream=is_stream)
    await cancel_after(journey, trip, 2, is_stream)
    assert_nothing_is_left(journey, trip)
    assert attempts(trip) == [("a", "unavailable")]


@in_virtual_time
async def test_cancelled_while_it_reserves() -> None:
    journey = Journey({"a": ScriptedPort()})
    trip = journey.trip("a")

    async def reserve(chosen: object) -> None:
        await asyncio.sleep(60)

    trip.reserve = reserve
    await cancel_after(journey, trip, 5, is_stream=True)
    assert_nothing_is_left(journey, trip)
    assert journey.ports["a"].called_at == []


@pytest.mark.parametrize("is_stream", [True, False])
@in_virtual_time
async def test_an_outer_timeout_is_not_taken_for_a_silent_model(is_stream: bool) -> None:
    """Flight's deadline ends at the very moment that ours does."""
    journey = Journey({"a": ScriptedPort(hanging()), "b": ScriptedPort()}, {"first_token_timeout_s": 60})
    trip = journey.trip("a", "b", deadline_s=10, stream=is_stream)
    with pytest.raises((TimeoutError, DeadlineExceeded)) as raised:
        async with asyncio.timeout_at(trip.deadline):
            await (journey.text(trip) if is_stream else journey.dispatcher.complete(trip))
    assert type(raised.value) in (TimeoutError, DeadlineExceeded)
    assert_nothing_is_left(journey, trip)
    assert journey.ports["b"].called_at == []
    assert journey.board.snapshot()["a"].last_error is None


@in_virtual_time
async def test_the_deadline_holds_even_where_nobody_outside_keeps_it() -> None:
    journey = Journey({"a": ScriptedPort(SLOW)})
    trip, started = journey.trip("a", deadline_s=15), now()
    with pytest.raises(DeadlineExceeded) as raised:
        await journey.text(trip)
    assert type(raised.value) is DeadlineExceeded
    assert now() - started == pytest.approx(15, abs=0.01)
    assert_nothing_is_left(journey, trip)


@in_virtual_time
async def test_a_trial_whose_client_leaves_makes_room_for_the_next_one() -> None:
    acts = (failing(UpstreamFailed("down")), hanging(), Act())
    settings = {"breaker_failures": 1, "breaker_cooldown_s": 10, "retries_per_target": 0}
    journey = Journey({"a": ScriptedPort(*acts)}, settings)
    with pytest.raises(UpstreamFailed):
        await journey.text(journey.trip("a"))
    await asyncio.sleep(10)
    client = asyncio.ensure_future(journey.text(journey.trip("a")))
    await asyncio.sleep(1)
    assert not journey.board.is_available(target("a")), "one trial at a time"
    client.cancel()
    await asyncio.wait([client])
    assert journey.board.snapshot()["a"].state == "half-open"
    assert await journey.text(journey.trip("a")) == "Hello world"
    assert journey.board.snapshot()["a"].state == "closed"
