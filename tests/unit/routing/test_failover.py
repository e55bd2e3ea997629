"""Failover: who is asked next, by what went wrong, and what the client is told at the end."""

import asyncio
from typing import Any

import pytest

from app.errors import (
    BudgetExceeded,
    ContentRefused,
    ContextTooLong,
    DeadlineExceeded,
    InvalidRequest,
    NotForThisTarget,
    RateLimited,
    SextantError,
    Unavailable,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamTimeout,
)
from app.routing.types import Trip
from tests.unit.routing.trips import (
    DOWN,
    Act,
    Journey,
    ScriptedPort,
    attempts,
    chunk,
    failing,
    hanging,
    limited,
    target,
    text_of,
)
from tests.unit.routing.virtual_time import in_virtual_time, now


async def ask(journey: Journey, trip: Trip, is_stream: bool) -> str:
    if is_stream:
        return await journey.text(trip)
    return str((await journey.dispatcher.complete(trip))["choices"][0]["message"]["content"])


@pytest.mark.parametrize("is_stream", [True, False])
@in_virtual_time
async def test_the_first_target_answers_under_our_id_and_its_own_name(is_stream: bool) -> None:
    journey = Journey({"a": ScriptedPort(), "b": ScriptedPort()})
    trip = journey.trip("a", "b", stream=is_stream)
    assert await ask(journey, trip, is_stream) == "Hello world"
    assert trip.answered_by == target("a")
    assert attempts(trip) == [("a", None)]
    assert journey.ports["a"].bodies[0]["model"] == "a-engine"
    assert journey.ports["a"].request_ids == ["answer-1"]
    assert journey.board.in_flight(target("a")) == 0


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("error", [DOWN, Unavailable("full"), UpstreamTimeout("slow"), limited(), limited(1)])
@in_virtual_time
async def test_another_target_is_asked_at_once_rather_than_the_same_one_later(
    error: SextantError, is_stream: bool
) -> None:
    journey = Journey({"a": ScriptedPort(failing(error)), "b": ScriptedPort()})
    trip, started = journey.trip("a", "b", stream=is_stream), now()
    assert await ask(journey, trip, is_stream) == "Hello world"
    assert now() - started < 0.01
    assert attempts(trip) == [("a", error.code), ("b", None)]
    assert journey.reserved == ["a", "b"]
    assert trip.answered_by == target("b")


@in_virtual_time
async def test_the_last_target_is_asked_again_after_a_pause_and_not_reserved_again() -> None:
    journey = Journey({"a": ScriptedPort(failing(DOWN), Act())}, {"backoff_s": 0.5})
    trip, started = journey.trip("a"), now()
    assert await journey.text(trip) == "Hello world"
    assert attempts(trip) == [("a", "upstream_failed"), ("a", None)]
    assert 0 < now() - started <= 0.5 + 0.01
    assert journey.reserved == ["a"]


@in_virtual_time
async def test_retry_after_is_obeyed_where_it_is_short() -> None:
    journey = Journey({"a": ScriptedPort(failing(limited(3)), Act())}, {"max_retry_after_s": 3})
    await journey.text(journey.trip("a"))
    first, second = journey.ports["a"].called_at
    assert 3 <= second - first <= 3.2


@in_virtual_time
async def test_no_retry_is_waited_for_past_the_deadline() -> None:
    journey = Journey({"a": ScriptedPort(failing(limited(4)))})
    started = now()
    with pytest.raises(UpstreamRateLimited):
        await journey.text(journey.trip("a", deadline_s=3))
    assert now() - started < 0.01


@in_virtual_time
async def test_a_prompt_that_is_too_long_goes_to_its_fallbacks_the_larger_windows_first() -> None:
    too_long = failing(ContextTooLong("long"))
    ports = {"a": ScriptedPort(too_long), "small": ScriptedPort(too_long), "large": ScriptedPort()}
    journey = Journey(ports)
    small, large = target("small", 100), target("large", 9000)
    trip = journey.trip(target("a", 1000), fallbacks={"context_window": (small, large), "down": (target("x"),)})
    assert await journey.text(trip) == "Hello world"
    assert attempts(trip) == [("a", "context_length_exceeded"), ("large", None)]
    trip = journey.trip(target("a", 1000), small)
    with pytest.raises(ContextTooLong):
        await journey.text(trip)
    assert [name for name, _ in attempts(trip)] == ["a", "small"], "each once: it would not become shorter"


@in_virtual_time
async def test_refused_content_goes_to_its_fallback_first_and_never_to_the_same_target() -> None:
    ports = {"a": ScriptedPort(failing(ContentRefused("no"))), "b": ScriptedPort(), "lenient": ScriptedPort()}
    journey = Journey(ports)
    trip = journey.trip("a", "b", fallbacks={"content_policy": (target("lenient"),)})
    await journey.text(trip)
    assert attempts(trip) == [("a", "content_policy_violation"), ("lenient", None)]
    assert journey.board.snapshot()["a"].state == "closed"


@in_virtual_time
async def test_fallbacks_are_those_of_the_last_failure_and_come_after_the_plans_order() -> None:
    ports = {"a": ScriptedPort(failing(DOWN)), "b": ScriptedPort(failing(limited())), "c": ScriptedPort()}
    journey = Journey(ports)
    trip = journey.trip("a", "b", fallbacks={"rate_limit": (target("a"), target("c"))})
    await journey.text(trip)
    assert [name for name, _ in attempts(trip)] == ["a", "b", "c"]


@in_virtual_time
async def test_a_used_up_budget_leads_to_its_fallback_and_to_nobody_else() -> None:
    journey = Journey({name: ScriptedPort() for name in ("a", "b", "cheap")})
    journey.refusals = {"a": BudgetExceeded("spent")}
    trip = journey.trip("a", "b", fallbacks={"budget": (target("cheap"),)})
    assert await journey.text(trip) == "Hello world"
    assert attempts(trip) == [("a", "budget_exceeded"), ("cheap", None)]
    assert journey.ports["a"].called_at == []
    with pytest.raises(BudgetExceeded):
        await journey.text(journey.trip("a", "b"))
    assert journey.ports["b"].called_at == []
    assert journey.board.in_flight(target("a")) == 0


@pytest.mark.parametrize("order", [("a", "b", "cheap"), ("a", "cheap", "b")])
@in_virtual_time
async def test_a_budget_fallback_may_be_one_of_the_plans_own_targets(order: tuple[str, ...]) -> None:
    journey = Journey({name: ScriptedPort() for name in order}, refusals={"a": BudgetExceeded("spent")})
    trip = journey.trip(*order, fallbacks={"budget": (target("cheap"),)})
    assert await journey.text(trip) == "Hello world"
    assert attempts(trip) == [("a", "budget_exceeded"), ("cheap", None)]


@in_virtual_time
async def test_a_budget_fallback_that_is_too_dear_as_well_is_refused_once() -> None:
    spent = BudgetExceeded("spent")
    journey = Journey({"a": ScriptedPort(), "cheap": ScriptedPort()}, refusals={"a": spent, "cheap": spent})
    trip = journey.trip("a", "cheap", fallbacks={"budget": (target("cheap"),), "down": (target("cheap"),)})
    with pytest.raises(BudgetExceeded):
        await journey.text(trip)
    assert journey.reserved == ["a", "cheap"]


@in_virtual_time
async def test_a_budget_fallback_that_has_failed_already_is_asked_again_like_any_target_and_not_at_once() -> None:
    journey = Journey({"cheap": ScriptedPort(failing(limited(2)), Act()), "a": ScriptedPort()})
    journey.refusals = {"a": BudgetExceeded("spent")}
    trip, started = journey.trip("cheap", "a", fallbacks={"budget": (target("cheap"),)}), now()
    assert await journey.text(trip) == "Hello world"
    assert attempts(trip) == [("cheap", "upstream_rate_limited"), ("a", "budget_exceeded"), ("cheap", None)]
    assert now() - started >= 2


@in_virtual_time
async def test_no_further_call_is_made_for_a_request_that_somebody_else_has_settled() -> None:
    journey = Journey({"a": ScriptedPort(failing(DOWN)), "b": ScriptedPort()}, is_lost=True)
    trip = journey.trip("a", "b")
    with pytest.raises(Unavailable, match="settled without it"):
        await journey.text(trip)
    assert attempts(trip) == [("a", "upstream_failed")]
    assert journey.ports["b"].called_at == []
    assert journey.board.in_flight(target("b")) == 0


@in_virtual_time
async def test_where_the_next_target_is_too_dear_the_one_that_failed_in_passing_is_asked_again() -> None:
    journey = Journey({"a": ScriptedPort(failing(DOWN), Act()), "dear": ScriptedPort()})
    journey.refusals = {"dear": BudgetExceeded("spent")}
    trip = journey.trip("a", "dear")
    await journey.text(trip)
    assert attempts(trip) == [("a", "upstream_failed"), ("dear", "budget_exceeded"), ("a", None)]
    assert journey.reserved == ["a", "dear", "a"], "the refused reservation may have let go of the first"


@pytest.mark.parametrize("error", [RateLimited("ours"), Unavailable("no counters"), InvalidRequest("bad")])
@in_virtual_time
async def test_what_else_a_reservation_raises_ends_the_trip(error: SextantError) -> None:
    journey = Journey({"a": ScriptedPort(), "b": ScriptedPort()})
    journey.refusals = {"a": error}
    with pytest.raises(type(error)):
        await journey.text(journey.trip("a", "b"))
    assert journey.reserved == ["a"]
    assert journey.board.snapshot()["a"].last_error is None
    assert journey.board.in_flight(target("a")) == 0


@pytest.mark.parametrize("error", [InvalidRequest("bad"), RuntimeError("a bug"), TimeoutError()])
@in_virtual_time
async def test_bad_requests_and_bugs_are_raised_at_once_and_held_against_nobody(error: Exception) -> None:
    journey = Journey({"a": ScriptedPort(failing(error)), "b": ScriptedPort()}, {"breaker_failures": 1})
    with pytest.raises(type(error)):
        await journey.text(journey.trip("a", "b"))
    assert journey.ports["b"].called_at == []
    assert journey.board.snapshot()["a"].state == "closed"


@in_virtual_time
async def test_the_role_alone_is_held_back_so_that_another_target_can_still_answer() -> None:
    journey = Journey({"a": ScriptedPort(Act(pieces=(), is_cut=True)), "b": ScriptedPort()})
    trip = journey.trip("a", "b")
    parts = [part async for part in journey.dispatcher.stream(trip)]
    roles = [choice["delta"].get("role") for part in parts for choice in part["choices"]]
    assert roles.count("assistant") == 1
    assert text_of(parts) == "Hello world"
    assert attempts(trip) == [("a", "upstream_failed"), ("b", None)]


@pytest.mark.parametrize(
    "act", [Act(error=DOWN), Act(is_cut=True), Act(pieces=("a", "b"), between_s=31)], ids=["error", "cut", "silence"]
)
@in_virtual_time
async def test_after_the_first_content_no_other_target_takes_over(act: Act) -> None:
    journey = Journey({"a": ScriptedPort(act), "b": ScriptedPort()})
    trip, parts = journey.trip("a", "b"), list[dict[str, Any]]()
    with pytest.raises((UpstreamFailed, UpstreamTimeout)) as raised:
        await journey.text(trip, parts)
    assert text_of(parts)
    assert trip.answered_by == target("a")
    assert attempts(trip) == [("a", raised.value.code)]
    assert journey.board.snapshot()["a"].last_error == raised.value.code
    assert journey.open == 0


@in_virtual_time
async def test_a_silent_target_is_given_up_after_the_first_token_timeout() -> None:
    journey = Journey({"a": ScriptedPort(hanging()), "b": ScriptedPort()}, {"first_token_timeout_s": 7})
    trip, started = journey.trip("a", "b"), now()
    assert await journey.text(trip) == "Hello world"
    assert 7 <= now() - started < 7.1
    assert attempts(trip) == [("a", "upstream_timeout"), ("b", None)]
    assert journey.open == 0


@in_virtual_time
async def test_a_silent_target_is_never_asked_again_since_both_answers_would_be_paid_for() -> None:
    journey = Journey({"a": ScriptedPort(hanging()), "b": ScriptedPort(hanging())}, {"retries_per_target": 3})
    trip = journey.trip("a", "b")
    with pytest.raises(UpstreamTimeout):
        await journey.text(trip)
    assert attempts(trip) == [("a", "upstream_timeout"), ("b", "upstream_timeout")]


@in_virtual_time
async def test_a_whole_answer_has_the_requests_time() -> None:
    journey = Journey({"a": ScriptedPort(Act(first_after_s=200)), "b": ScriptedPort()}, {"first_token_timeout_s": 7})
    trip, started = journey.trip("a", "b", stream=False), now()
    assert await ask(journey, trip, is_stream=False) == "Hello world"
    assert attempts(trip) == [("a", None)]
    assert now() - started >= 200
    trip = journey.trip("a", "b", stream=False, deadline_s=100)
    with pytest.raises(DeadlineExceeded) as raised:
        await journey.dispatcher.complete(trip)
    assert raised.value.code == "deadline_exceeded"
    assert journey.open == 0


@in_virtual_time
async def test_a_whole_answer_that_takes_too_long_is_had_elsewhere_where_that_is_wanted() -> None:
    ports = {"a": ScriptedPort(hanging()), "b": ScriptedPort()}
    journey = Journey(ports, {"answer_timeout_s": 9})
    trip, started = journey.trip("a", "b", stream=False), now()
    assert await ask(journey, trip, is_stream=False) == "Hello world"
    assert attempts(trip) == [("a", "upstream_timeout"), ("b", None)]
    assert now() - started == pytest.approx(9, abs=0.5)


@in_virtual_time
async def test_an_answer_may_be_empty_and_a_tool_call_is_content() -> None:
    journey = Journey({"a": ScriptedPort(Act(pieces=()))})
    assert await journey.text(journey.trip("a")) == ""

    class Calling(ScriptedPort):
        async def stream(self, *arguments: Any) -> Any:
            yield chunk({"role": "assistant", "content": None})
            yield chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]})
            raise DOWN

    journey = Journey({"a": Calling(), "b": ScriptedPort()})
    with pytest.raises(UpstreamFailed):
        await journey.text(journey.trip("a", "b"))
    assert journey.ports["b"].called_at == [], "a client may have acted upon the first call"


@in_virtual_time
async def test_a_stream_ends_properly_when_each_of_its_choices_has() -> None:
    class Two(ScriptedPort):
        async def stream(self, *arguments: Any) -> Any:
            for index in (0, 1):
                yield {"choices": [{"index": index, "delta": {"content": "a"}, "finish_reason": None}]}
            yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}

    journey = Journey({"a": Two()})
    with pytest.raises(UpstreamFailed):
        await journey.text(journey.trip("a"))


@in_virtual_time
async def test_a_chunk_that_cannot_be_read_closes_its_stream() -> None:
    class Odd(ScriptedPort):
        async def stream(self, *arguments: Any) -> Any:
            self.open += 1
            try:
                yield {"choices": [None]}
            finally:
                self.open -= 1

    journey = Journey({"a": Odd()})
    with pytest.raises(AttributeError):
        await journey.text(journey.trip("a"))
    assert journey.open == 0


@in_virtual_time
async def test_a_target_that_comes_back_during_a_wait_is_asked_before_the_retry() -> None:
    journey = Journey({"a": ScriptedPort(failing(limited(10)), Act()), "b": ScriptedPort(failing(limited(4)))})
    with pytest.raises(UpstreamRateLimited):
        await journey.text(journey.trip("a"))
    await asyncio.sleep(7)
    trip = journey.trip("a", "b")
    await journey.text(trip)
    assert attempts(trip) == [("b", "upstream_rate_limited"), ("a", None)]


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (limited(9), limited(8), UpstreamRateLimited),
        (limited(9), DOWN, UpstreamFailed),
        (ContextTooLong("long"), DOWN, UpstreamFailed),
        (DOWN, ContextTooLong("long"), UpstreamFailed),
        (DOWN, UpstreamTimeout("slow"), UpstreamTimeout),
        (ContextTooLong("long"), ContentRefused("no"), ContentRefused),
        (NotForThisTarget("odd"), DOWN, UpstreamFailed),
        (DOWN, NotForThisTarget("odd"), UpstreamFailed),
        (limited(9), NotForThisTarget("odd"), UpstreamRateLimited),
        (ContextTooLong("long"), NotForThisTarget("odd"), ContextTooLong),
        (NotForThisTarget("odd"), NotForThisTarget("odd"), NotForThisTarget),
    ],
)
@in_virtual_time
async def test_the_client_is_told_what_it_can_act_on(
    first: SextantError, second: SextantError, told: type[SextantError]
) -> None:
    ports = {"a": ScriptedPort(failing(first)), "b": ScriptedPort(failing(second))}
    journey = Journey(ports, {"retries_per_target": 0})
    with pytest.raises(SextantError) as raised:
        await journey.text(journey.trip("a", "b"))
    assert type(raised.value) is told


@pytest.mark.parametrize("is_stream", [True, False])
@in_virtual_time
async def test_what_a_targets_api_cannot_say_goes_to_the_next_target_and_then_to_the_fallback(is_stream: bool) -> None:
    odd = failing(NotForThisTarget("This cannot be said there.", param="n"))
    journey = Journey({"a": ScriptedPort(odd), "b": ScriptedPort(odd), "c": ScriptedPort()}, {"max_attempts": 1})
    trip = journey.trip("a", "b", stream=is_stream, fallbacks={"unsupported": (target("c"),)})
    assert await ask(journey, trip, is_stream) == "Hello world"
    assert attempts(trip) == [("a", "invalid_request"), ("b", "invalid_request"), ("c", None)]
    assert [attempt.called for attempt in trip.attempts] == [False, False, True]
    trip = journey.trip("a", "b", stream=is_stream)
    with pytest.raises(NotForThisTarget) as raised:
        await ask(journey, trip, is_stream)
    assert (raised.value.status, raised.value.param) == (400, "n")
    assert [name for name, _ in attempts(trip)] == ["a", "b"], "each once: its API stays as it is"
    assert journey.board.in_flight(target("a")) == 0


@in_virtual_time
async def test_a_model_that_was_given_up_is_the_last_called_though_another_could_not_be_asked() -> None:
    ports = {"a": ScriptedPort(hanging()), "b": ScriptedPort(failing(NotForThisTarget("odd")))}
    trip = (journey := Journey(ports)).trip("a", "b")
    with pytest.raises(UpstreamTimeout):
        await journey.text(trip)
    assert trip.last_called
    assert trip.last_called.target == target("a"), "it is owed for the prompt"
