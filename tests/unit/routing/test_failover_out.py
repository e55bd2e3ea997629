"""Failover past targets that are out of rotation: who answers instead, what the client is told, and the way back."""

import asyncio

import pytest

from app.errors import SextantError, Unavailable, UpstreamFailed, UpstreamRateLimited
from tests.unit.routing.trips import DOWN, Act, Journey, ScriptedPort, attempts, failing, limited, target
from tests.unit.routing.virtual_time import in_virtual_time, now


@in_virtual_time
async def test_a_long_retry_after_is_told_to_the_client_at_once_and_keeps_the_target_out() -> None:
    journey = Journey({"a": ScriptedPort(failing(limited(30))), "b": ScriptedPort(failing(limited(20)))})
    trip, started = journey.trip("a", "b"), now()
    with pytest.raises(UpstreamRateLimited) as raised:
        await journey.text(trip)
    assert raised.value.retry_after_s == 20
    assert now() - started < 0.01
    with pytest.raises(UpstreamRateLimited) as raised:
        await journey.text(journey.trip("a"))
    assert raised.value.retry_after_s == pytest.approx(30, abs=0.1)
    assert len(journey.ports["a"].called_at) == 1


@in_virtual_time
async def test_with_every_breaker_open_the_answer_is_503_at_once_with_the_time_to_come_back() -> None:
    settings = {"breaker_failures": 1, "breaker_cooldown_s": 10, "retries_per_target": 0}
    journey = Journey({"a": ScriptedPort(failing(DOWN))}, settings)
    with pytest.raises(UpstreamFailed):
        await journey.text(journey.trip("a"))
    with pytest.raises(Unavailable) as raised:
        await journey.text(journey.trip("a"))
    assert raised.value.retry_after_s == pytest.approx(10, abs=0.1)
    assert len(journey.ports["a"].called_at) == 1


@pytest.mark.parametrize("error", [DOWN, limited(60)])
@in_virtual_time
async def test_fallbacks_answer_also_while_the_plan_is_out_of_rotation(error: SextantError) -> None:
    journey = Journey({"a": ScriptedPort(failing(error)), "b": ScriptedPort()}, {"breaker_failures": 1})
    fallbacks = {kind: (target("b"),) for kind in ("down", "rate_limit")}
    assert await journey.text(journey.trip("a", fallbacks=fallbacks)) == "Hello world"
    assert not journey.board.is_available(target("a"))
    trip, started = journey.trip("a", fallbacks=fallbacks), now()
    assert await journey.text(trip) == "Hello world"
    assert attempts(trip) == [("b", None)]
    assert now() - started < 0.01
    assert len(journey.ports["a"].called_at) == 1


@in_virtual_time
async def test_the_fallbacks_of_what_is_out_go_by_why_it_is_and_may_be_out_themselves() -> None:
    ports = {"a": ScriptedPort(failing(limited(60))), "b": ScriptedPort(failing(DOWN))}
    journey = Journey({**ports, "c": ScriptedPort(), "d": ScriptedPort()}, {"breaker_failures": 1})
    fallbacks = {"rate_limit": (target("b"),), "down": (target("c"),)}
    for name in ports:
        with pytest.raises(SextantError):
            await journey.text(journey.trip(name))
    trip = journey.trip("a", fallbacks=fallbacks)
    await journey.text(trip)
    assert attempts(trip) == [("c", None)]
    trip = journey.trip("a", "d", fallbacks=fallbacks)
    await journey.text(trip)
    assert attempts(trip) == [("d", None)], "the rest of the plan comes first"


@in_virtual_time
async def test_with_the_fallbacks_out_as_well_the_client_is_told_when_the_first_is_back() -> None:
    ports = {"a": ScriptedPort(failing(limited(60))), "b": ScriptedPort(failing(limited(20)))}
    journey = Journey(ports)
    for name in ports:
        with pytest.raises(UpstreamRateLimited):
            await journey.text(journey.trip(name))
    with pytest.raises(UpstreamRateLimited) as raised:
        await journey.text(journey.trip("a", fallbacks={"rate_limit": (target("b"),)}))
    assert raised.value.retry_after_s == pytest.approx(20, abs=0.1)
    assert [len(port.called_at) for port in ports.values()] == [1, 1]


@in_virtual_time
async def test_a_slow_whole_answer_as_a_trial_does_not_keep_a_recovered_target_out() -> None:
    acts = [failing(DOWN), Act(first_after_s=200), Act()]
    journey = Journey({"a": ScriptedPort(*acts)}, {"breaker_failures": 1, "retries_per_target": 0})
    with pytest.raises(UpstreamFailed):
        await journey.text(journey.trip("a"))
    await asyncio.sleep(15)
    slow = asyncio.create_task(journey.dispatcher.complete(journey.trip("a", stream=False)))
    await asyncio.sleep(1)
    with pytest.raises(Unavailable):
        await journey.text(journey.trip("a"))
    await asyncio.sleep(14)
    assert await journey.text(journey.trip("a")) == "Hello world"
    assert journey.board.snapshot()["a"].state == "closed"
    await slow
