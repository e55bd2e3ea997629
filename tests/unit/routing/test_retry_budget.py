"""Whatever fails in whatever order: the retry budget holds, and nobody errs while somebody could answer."""

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from app.config.routing import RoutingConfig
from app.errors import (
    ContentRefused,
    ContextTooLong,
    SextantError,
    Unavailable,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamTimeout,
)
from app.routing.failures import failure_class
from app.routing.itinerary import full_jitter
from tests.unit.routing.trips import Act, Journey, ScriptedPort, failing, hanging, target
from tests.unit.routing.virtual_time import now, virtually

NAMES = "abcd"
CLASSES = ("context_window", "content_policy", "rate_limit", "down")
ERRORS = st.one_of(
    st.sampled_from([UpstreamFailed("x"), Unavailable("x"), UpstreamTimeout("x")]),
    st.sampled_from([ContextTooLong("x"), ContentRefused("x")]),
    st.builds(UpstreamRateLimited, st.just("x"), retry_after_s=st.sampled_from([None, 0.5, 5, 60])),
)
ACTS = st.one_of(ERRORS.map(failing), st.just(hanging()), st.just(Act(pieces=(), is_cut=True)), st.just(Act()))
NAME = st.sampled_from(NAMES)


@settings(max_examples=200, deadline=None)
@given(
    scripts=st.fixed_dictionaries({name: st.lists(ACTS, min_size=1, max_size=4) for name in NAMES}),
    order=st.lists(NAME, min_size=1, max_size=4, unique=True),
    fallbacks=st.dictionaries(st.sampled_from(CLASSES), st.lists(NAME, unique=True, max_size=3)),
    max_attempts=st.integers(1, 8),
    retries=st.integers(0, 3),
    deadline_s=st.sampled_from([3.0, 300.0]),
    seed=st.integers(0, 99),
)
def test_the_retry_budget_is_never_exceeded(
    scripts: dict[str, list[Act]],
    order: list[str],
    fallbacks: dict[str, list[str]],
    max_attempts: int,
    retries: int,
    deadline_s: float,
    seed: int,
) -> None:
    async def scenario() -> None:
        ports = {name: ScriptedPort(*acts) for name, acts in scripts.items()}
        options = {"max_attempts": max_attempts, "retries_per_target": retries, "first_token_timeout_s": 2}
        journey = Journey(ports, options, seed)
        named = {kind: tuple(map(target, names)) for kind, names in fallbacks.items()}
        trip, started = journey.trip(*order, deadline_s=deadline_s, fallbacks=named), now()
        error: SextantError | None = None
        try:
            await journey.text(trip)
        except SextantError as raised:
            error = raised
        calls = Counter(attempt.target.id for attempt in trip.attempts)
        assert calls == {name: len(port.called_at) for name, port in ports.items() if port.called_at}
        assert calls.total() <= max_attempts
        assert max(calls.values()) <= 1 + retries
        assert now() - started <= deadline_s + 0.1
        # A request that a target cannot take is never sent to it again.
        refused = [a.target for a in trip.attempts if a.error in (ContextTooLong.code, ContentRefused.code)]
        assert len(refused) == len(set(refused))
        silent = [a.target for a in trip.attempts if a.error == UpstreamTimeout.code]
        assert len(silent) == len(set(silent))
        # Nobody is asked twice while somebody of the order has not been asked at all.
        asked = [attempt.target.id for attempt in trip.attempts]
        once = next((n for n, name in enumerate(asked) if name in asked[:n]), len(asked))
        assert set(asked[once:]) & set(order) <= set(asked[:once])
        # The order is kept, whatever fallbacks came between.
        assert [name for name in asked[:once] if name in order] == order[: len(set(asked[:once]) & set(order))]
        if error is None:
            assert trip.attempts[-1].error is None
            assert trip.answered_by == trip.attempts[-1].target
        elif failure_class(error) is not None:
            # Every target of the order was asked, or the budget was spent.
            assert calls.total() == max_attempts or set(order) <= set(calls)
        assert journey.open == 0
        assert all(status.in_flight == 0 for status in journey.board.snapshot().values())

    virtually(scenario())


@settings(deadline=None)
@given(retry=st.integers(0, 30), seed=st.integers(0, 999))
def test_pauses_are_full_jitter_under_a_cap(retry: int, seed: int) -> None:
    config = RoutingConfig(backoff_s=0.1, max_retry_after_s=5)
    assert 0 <= full_jitter(config, retry, Random(seed)) <= min(5, 0.1 * 2**retry)
