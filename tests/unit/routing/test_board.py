"""The board: what it shows of a target, and whom it tells."""

import asyncio
import logging
import math

import pytest

from app.config.routing import RoutingConfig
from app.errors import (
    ClientClosedRequest,
    DeadlineExceeded,
    InvalidRequest,
    NotForThisTarget,
    SextantError,
    Unavailable,
    UpstreamFailed,
    UpstreamRateLimited,
)
from app.routing.board import TargetBoard
from app.routing.events import BreakerChanged, RoutingEvent
from tests.unit.routing.trips import target

CONFIG = RoutingConfig(breaker_failures=2, breaker_window_s=10, breaker_cooldown_s=5)
A = target("a")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def call(board: TargetBoard, error: BaseException | None = None) -> None:
    begun = board.begin(A)
    assert begun
    if error is None:
        begun.answered()
    begun.ended(error)


def test_listeners_are_told_of_every_change_with_the_error_behind_it() -> None:
    clock, events = Clock(), list[RoutingEvent]()
    board = TargetBoard(CONFIG, clock=clock, listeners=[events.append])
    call(board, UpstreamFailed("down"))
    assert events == []
    call(board, UpstreamFailed("down"))
    assert board.begin(A) is None
    clock.now = 5
    call(board)
    call(board, UpstreamRateLimited("slow down", retry_after_s=3))
    clock.now = 8
    assert board.is_available(A)
    assert events == [
        BreakerChanged("a", "closed", "open", "upstream_failed"),
        BreakerChanged("a", "open", "half-open", "upstream_failed"),
        BreakerChanged("a", "half-open", "closed", "upstream_failed"),
        BreakerChanged("a", "closed", "cooling", "upstream_rate_limited"),
        BreakerChanged("a", "cooling", "closed", "upstream_rate_limited"),
    ]


def test_a_snapshot_shows_what_is_known_of_each_target() -> None:
    clock = Clock()
    board = TargetBoard(CONFIG, clock=clock)
    assert board.snapshot() == {}
    first, second = board.begin(A), board.begin(A)
    assert first
    assert second
    clock.now = 0.25
    first.answered()
    first.ended()
    status = board.snapshot()["a"]
    assert (status.state, status.in_flight, status.first_token_s) == ("closed", 1, 0.25)
    second.ended(UpstreamRateLimited("slow down", retry_after_s=3))
    status = board.snapshot()["a"]
    assert (status.state, status.in_flight, status.retry_after_s) == ("cooling", 0, 3)
    assert status.last_error == "upstream_rate_limited"


@pytest.mark.parametrize("error", [InvalidRequest("bad"), asyncio.CancelledError(), RuntimeError("bug")])
def test_errors_that_are_not_the_targets_do_not_count(error: BaseException) -> None:
    board = TargetBoard(CONFIG, clock=Clock())
    for _ in range(5):
        call(board, error)
    status = board.snapshot()["a"]
    assert (status.state, status.in_flight, status.last_error) == ("closed", 0, None)


def test_a_provider_that_names_a_pause_gets_it_at_once_and_is_no_rate_limit_for_it() -> None:
    clock = Clock()
    board = TargetBoard(CONFIG, clock=clock)
    call(board, UpstreamFailed("it refused our key", retry_after_s=60))
    assert board.snapshot()["a"].state == "cooling"
    refusal = board.refusal(A)
    assert (type(refusal), refusal.retry_after_s) == (Unavailable, 60)
    clock.now = 60
    call(board)


def test_a_full_queue_of_our_own_counts_but_is_no_pause() -> None:
    board = TargetBoard(CONFIG, clock=Clock())
    call(board, Unavailable("full", retry_after_s=5))
    assert board.snapshot()["a"].state == "closed"


@pytest.mark.parametrize("kind", [UpstreamFailed, UpstreamRateLimited])
def test_a_pause_of_no_length_is_none(kind: type[SextantError]) -> None:
    events = list[RoutingEvent]()
    board = TargetBoard(CONFIG, clock=Clock(), listeners=[events.append])
    for _ in range(CONFIG.breaker_failures):
        call(board, kind("down", retry_after_s=0))
    if kind is UpstreamFailed:
        assert events == [BreakerChanged("a", "closed", "open", "upstream_failed")]
    else:
        assert events == []


def test_a_failure_that_names_a_pause_of_no_length_is_no_fast_answer() -> None:
    board = TargetBoard(CONFIG, clock=Clock())
    begun = board.begin(A)
    assert begun
    begun.ended(UpstreamFailed("down", retry_after_s=0))
    assert board.expected_s(A) == math.inf


def test_what_was_never_sent_shows_neither_that_a_target_is_back_nor_how_fast_it_is() -> None:
    clock = Clock()
    board = TargetBoard(CONFIG, clock=clock)
    call(board, UpstreamFailed("down"))
    call(board, UpstreamFailed("down"))
    clock.now = 5
    expected_s = board.expected_s(A)
    begun = board.begin(A)
    assert begun
    begun.ended(NotForThisTarget("no such field"))
    status = board.snapshot()["a"]
    assert (status.state, status.in_flight, status.retry_after_s) == ("half-open", 0, 0)
    assert board.expected_s(A) == expected_s
    fresh = TargetBoard(CONFIG, clock=clock)
    begun = fresh.begin(A)
    assert begun
    begun.ended(NotForThisTarget("no such field"))
    assert fresh.expected_s(A) is None


def test_a_trial_that_is_refused_as_a_bad_request_shows_that_the_target_is_back() -> None:
    clock = Clock()
    board = TargetBoard(CONFIG, clock=clock)
    call(board, UpstreamFailed("down"))
    call(board, UpstreamFailed("down"))
    clock.now = 5
    call(board, InvalidRequest("bad"))
    assert board.snapshot()["a"].state == "closed"


@pytest.mark.parametrize("error", [DeadlineExceeded("late"), ClientClosedRequest("gone"), asyncio.CancelledError()])
def test_a_trial_that_shows_nothing_is_followed_by_another(error: BaseException) -> None:
    clock = Clock()
    board = TargetBoard(CONFIG, clock=clock)
    call(board, UpstreamFailed("down"))
    call(board, UpstreamFailed("down"))
    clock.now = 5
    call(board, error)
    assert board.snapshot()["a"].state == "half-open"
    refused = board.begin(A)
    assert refused
    assert board.begin(A) is None
    refused.abandoned()
    assert board.snapshot()["a"].state == "half-open"
    assert board.begin(A)


def test_a_stream_that_is_cut_after_it_closed_the_breaker_counts_again() -> None:
    clock = Clock()
    board = TargetBoard(CONFIG, clock=clock)
    call(board, UpstreamFailed("down"))
    call(board, UpstreamFailed("down"))
    clock.now = 5
    trials = []
    for _ in range(2):
        trial = board.begin(A)
        assert trial
        trial.answered()
        trials.append(trial)
    for trial in trials:
        trial.ended(UpstreamFailed("cut"))
    assert board.snapshot()["a"].state == "open"


def test_a_listener_that_fails_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: RoutingEvent) -> None:
        raise ValueError("what a user wrote")

    events: list[RoutingEvent] = []
    board = TargetBoard(CONFIG, clock=Clock(), listeners=[broken, events.append])
    with caplog.at_level(logging.ERROR):
        call(board, UpstreamRateLimited("slow down", retry_after_s=3))
    assert len(events) == 1
    assert "ValueError" in caplog.text
    assert "what a user wrote" not in caplog.text
