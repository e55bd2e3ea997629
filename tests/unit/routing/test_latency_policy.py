"""Policy `latency` with targets that fail, hang, or are not waited for."""

import asyncio
from collections import Counter
from random import Random

import pytest

from app.config.routing import RoutingConfig
from app.errors import (
    ContentRefused,
    DeadlineExceeded,
    Overloaded,
    SextantError,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamTimeout,
)
from app.routing.board import Call, TargetBoard
from app.routing.policies import EXPLORED, Candidate, fastest
from tests.unit.routing.trips import Act, Journey, ScriptedPort, attempts, failing, hanging, target
from tests.unit.routing.virtual_time import in_virtual_time, now

CANDIDATES = [Candidate(name, target(name), 1) for name in ("a", "b")]
A, B = (candidate.target for candidate in CANDIDATES)


class NoExploring(Random):
    """Never the share of requests that goes anywhere."""

    def random(self) -> float:
        return 1.0


class Desk:
    """The policy over targets a and b, in a time of its own."""

    def __init__(self) -> None:
        self.now = 100.0
        self.board = TargetBoard(RoutingConfig(), clock=lambda: self.now)

    def order(self) -> tuple[list[str], str]:
        choice = fastest(CANDIDATES, self.board, NoExploring())
        return [candidate.name for candidate in choice.order], choice.reason

    def begin(self, name: str) -> Call:
        call = self.board.begin(target(name))
        assert call
        return call

    def ask(self, name: str, seconds: float, error: BaseException | None = None) -> None:
        call = self.begin(name)
        self.now += seconds
        if error is None:
            call.answered()
        call.ended(error)


@pytest.mark.parametrize(
    "error",
    [
        UpstreamRateLimited("slow down"),
        Overloaded("the queue is full", retry_after_s=1),
        UpstreamFailed("down"),
        UpstreamTimeout("silent"),
        ContentRefused("no"),
        DeadlineExceeded("late"),
        asyncio.CancelledError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_target_that_never_answered_is_asked_first_once(error: BaseException) -> None:
    desk = Desk()
    desk.ask("b", 90)  # whole answers: longer than any failure takes
    assert desk.order() == (["a", "b"], "latency: unknown")
    desk.ask("a", 0.01, error)
    assert desk.order() == (["b", "a"], "latency: 90000 ms")
    desk.ask("a", 0.01)  # by exploring, or because b failed
    desk.now += 60
    desk.ask("a", 0.01)
    assert desk.order()[0] == ["a", "b"]


def test_where_none_answers_the_reason_says_so() -> None:
    desk = Desk()
    for name in ("a", "b"):
        desk.ask(name, 0.01, UpstreamRateLimited("slow down"))
    assert desk.order() == (["a", "b"], "latency: none answers")


def test_a_pause_that_the_provider_named_is_no_slowness_after_it() -> None:
    desk = Desk()
    desk.ask("a", 0.2)
    desk.ask("b", 0.3)
    desk.ask("a", 0.1, UpstreamRateLimited("slow down", retry_after_s=2))
    assert not desk.board.is_available(A)
    desk.now += 2
    assert desk.order()[0] == ["a", "b"]


def test_a_fast_target_that_fails_gives_way_until_it_answers_again() -> None:
    desk = Desk()
    desk.ask("a", 0.2)
    desk.ask("b", 0.5)
    desk.ask("a", 0.01, Overloaded("full", retry_after_s=1))
    assert desk.order()[0] == ["b", "a"]
    desk.now += 60
    desk.ask("a", 0.2)
    assert desk.order() == (["a", "b"], "latency: 207 ms"), "of the failure a minute ago next to nothing is left"
    assert desk.board.first_token_s(A) == pytest.approx(0.2), "what is shown is measured on answers alone"


def test_a_target_that_fails_now_and_then_is_slower_by_it() -> None:
    desk = Desk()
    for _ in range(20):
        desk.ask("a", 0.2)
        desk.ask("b", 0.5)
        desk.ask("a", 0.01, UpstreamRateLimited("slow down"))
        desk.ask("a", 0.2)
    assert desk.order()[0] == ["b", "a"]


def test_a_fast_target_that_hangs_is_passed_over_while_the_first_still_waits() -> None:
    desk = Desk()
    desk.ask("a", 0.2)
    desk.ask("b", 0.5)
    waiting = [desk.begin("a"), desk.begin("a")]
    desk.now += 0.4
    assert desk.order()[0] == ["a", "b"]
    desk.now += 0.4
    assert desk.order() == (["b", "a"], "latency: 500 ms")
    waiting[0].answered()
    desk.now += 0.1
    assert desk.order()[0] == ["a", "b"], "the other one waits still, but the target is not silent"
    desk.now += 59
    waiting[1].ended(UpstreamTimeout("silent"))
    assert desk.order()[0] == ["b", "a"]


@pytest.mark.parametrize("error", [DeadlineExceeded("late"), asyncio.CancelledError()])
def test_a_fast_target_that_hangs_keeps_no_good_average_by_clients_that_leave(error: BaseException) -> None:
    desk = Desk()
    desk.ask("a", 0.2)
    desk.ask("b", 0.5)
    desk.ask("a", 20, error)
    assert desk.order()[0] == ["b", "a"]
    desk.ask("b", 0.1, error)
    assert desk.order() == (["b", "a"], "latency: 500 ms"), "who leaves early has measured nothing"


async def ask_by_policy(journey: Journey, random: Random) -> list[tuple[str, str | None]]:
    order = fastest(CANDIDATES, journey.board, random).order
    trip = journey.trip(*(candidate.target for candidate in order))
    assert await journey.text(trip) == "Hello world"
    return attempts(trip)


@pytest.mark.parametrize("error", [UpstreamRateLimited("slow down"), Overloaded("full", retry_after_s=1)])
@in_virtual_time
async def test_a_target_that_refuses_everything_is_asked_by_few(error: SextantError) -> None:
    journey, random = Journey({"a": ScriptedPort(failing(error)), "b": ScriptedPort()}), Random(1)
    asked = Counter[str]()
    for _ in range(400):
        asked.update(name for name, _ in await ask_by_policy(journey, random))
        await asyncio.sleep(1)
    assert asked["a"] < 400 * EXPLORED
    assert asked["b"] == 400


@pytest.mark.parametrize("first", [[], [Act()]], ids=["never answered", "fast once"])
@in_virtual_time
async def test_a_target_that_hangs_costs_few_requests_their_minute_and_is_put_out(first: list[Act]) -> None:
    ports = {"a": ScriptedPort(*first, hanging()), "b": ScriptedPort(Act(first_after_s=0.5))}
    journey, random = Journey(ports), Random(2)
    slow = 0
    for _ in range(600):
        began = now()
        await ask_by_policy(journey, random)
        slow += now() - began >= 60
        await asyncio.sleep(1)
    assert 5 <= slow <= 600 * EXPLORED
    assert journey.board.snapshot()["a"].state in ("open", "half-open")
    assert not journey.board.snapshot()["b"].last_error


@in_virtual_time
async def test_under_any_policy_a_target_that_hangs_is_put_out_after_enough_calls_in_a_row() -> None:
    journey = Journey({"a": ScriptedPort(hanging()), "b": ScriptedPort()})
    for number in range(5):
        assert journey.board.is_available(A), number
        trip = journey.trip("a", "b")
        await journey.text(trip)
        assert attempts(trip) == [("a", "upstream_timeout"), ("b", None)]
    assert not journey.board.is_available(A)
    began = now()
    await journey.text(journey.trip("a", "b"))
    assert now() - began < 0.1
