"""The breaker against a plain model of what it promises, and the states that it tells of."""

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from app.config.routing import RoutingConfig
from app.routing.breaker import MAX_COOLING_S, Breaker
from app.routing.events import State

CONFIG = RoutingConfig(breaker_failures=3, breaker_window_s=10, breaker_cooldown_s=5)


@dataclass
class Ticket:
    """An admitted call: its generation, and the era of the model in which it was admitted."""

    generation: int
    era: int


class BreakerMachine(RuleBasedStateMachine):
    """Calls begin and end in any order while time goes by; a model says what must come of it."""

    tickets = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.changes: list[tuple[State, State]] = []
        self.breaker = Breaker(CONFIG, lambda: self.now, lambda before, after: self.changes.append((before, after)))
        # The model: an era ends with each change of state, and earlier calls' outcomes end with it.
        self.state: State = "closed"
        self.era = 0
        self.until = 0.0
        self.failures: list[float] = []
        self.in_a_row = 0
        self.tried_at: float | None = None

    def become(self, state: State) -> None:
        if self.state == "half-open":
            self.failures.clear()
            self.in_a_row = 0
        self.state, self.era, self.tried_at = state, self.era + 1, None

    @property
    def is_tried(self) -> bool:
        return self.tried_at is not None and self.now - self.tried_at < 5

    @rule(seconds=st.sampled_from([0.5, 1, 4, 5, 9, 11, 400]))
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds
        if self.state in ("open", "cooling") and self.now >= self.until:
            self.become("half-open" if self.state == "open" else "closed")

    @rule(target=tickets)
    def a_call_wants_to_begin(self) -> object:
        may = self.state == "closed" or (self.state == "half-open" and not self.is_tried)
        generation = self.breaker.admit()
        assert (generation is not None) == may
        if generation is None:
            return multiple()
        if self.state == "half-open":
            self.tried_at = self.now
        return Ticket(generation, self.era)

    @rule(ticket=consumes(tickets))
    def it_fails(self, ticket: Ticket) -> None:
        self.breaker.failed(ticket.generation)
        if ticket.era != self.era:
            return
        self.failures = [at for at in self.failures if self.now - at <= 10] + [self.now]
        self.in_a_row += 1
        if self.state == "half-open" or len(self.failures) >= 3 or self.in_a_row >= 3:
            self.until = self.now + 5
            self.become("open")

    @rule(ticket=consumes(tickets), pause_s=st.sampled_from([1.0, 7.0, 100_000.0]))
    def it_is_limited(self, ticket: Ticket, pause_s: float) -> None:
        self.breaker.limited(ticket.generation, pause_s)
        if ticket.era == self.era:
            self.until = self.now + min(pause_s, MAX_COOLING_S)
            self.become("cooling")

    @rule(ticket=consumes(tickets))
    def its_client_leaves(self, ticket: Ticket) -> None:
        self.breaker.released(ticket.generation)
        if ticket.era == self.era:
            self.tried_at = None

    @rule(target=tickets, ticket=consumes(tickets))
    def it_begins_to_answer(self, ticket: Ticket) -> Ticket:
        generation = self.breaker.succeeded(ticket.generation)
        if ticket.era == self.era:
            self.in_a_row = 0
        if ticket.era == self.era and self.state == "half-open":
            self.become("closed")
            ticket.era = self.era
        return Ticket(generation, ticket.era)

    @invariant()
    def it_is_in_the_models_state(self) -> None:
        assert self.breaker.state == self.state
        is_waiting = self.state in ("open", "cooling") or (self.state == "half-open" and self.is_tried)
        assert (self.breaker.wait_s > 0) == is_waiting

    @invariant()
    def it_told_of_every_change(self) -> None:
        assert len(self.changes) == self.era
        assert [after for _, after in self.changes[:-1]] == [before for before, _ in self.changes[1:]]


BreakerMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestBreakerAgainstItsModel = BreakerMachine.TestCase


def test_a_late_failure_from_before_an_outage_says_nothing_about_the_target_after_it() -> None:
    now = 0.0
    breaker = Breaker(RoutingConfig(breaker_failures=1), lambda: now, lambda before, after: None)
    early, first = breaker.admit(), breaker.admit()
    assert early is not None
    assert first is not None
    breaker.failed(first)
    now = 20
    trial = breaker.admit()
    assert trial is not None
    breaker.succeeded(trial)
    breaker.failed(early)
    assert breaker.state == "closed"


def test_failures_in_a_row_open_it_however_far_apart_and_a_success_between_them_begins_anew() -> None:
    now = 0.0
    breaker = Breaker(CONFIG, lambda: now, lambda before, after: None)

    def fail() -> None:
        nonlocal now
        now += 60
        generation = breaker.admit()
        assert generation is not None
        breaker.failed(generation)

    fail()
    fail()
    well = breaker.admit()
    assert well is not None
    breaker.succeeded(well)
    breaker.released(well)
    fail()
    fail()
    assert breaker.state == "closed"
    fail()
    assert breaker.admit() is None


def test_a_trial_that_takes_longer_than_a_cool_down_is_followed_by_another_whose_success_counts() -> None:
    now = 0.0
    breaker = Breaker(CONFIG, lambda: now, lambda before, after: None)
    for _ in range(3):
        generation = breaker.admit()
        assert generation is not None
        breaker.failed(generation)
    now = 5
    slow = breaker.admit()
    assert slow is not None
    now = 9.5
    assert (breaker.admit(), breaker.wait_s) == (None, 0.5)
    now = 10
    assert breaker.wait_s == 0
    second = breaker.admit()
    assert second is not None
    assert breaker.admit() is None, "one for each cool-down"
    breaker.released(breaker.succeeded(second))
    breaker.failed(slow)
    assert breaker.state == "closed"
