"""Circuit breaker: keeps requests away from a target that fails, and notices when it is back.

closed ──── breaker_failures within breaker_window_s, or in a row ────> open
  │ ^                                                                   │ ^
  │ └───────────── success ────────────┐               breaker_cooldown_s │
  │                                    │                                v │ failure
  │                                  half-open: one call at a time
  └── a Retry-After ──> cooling ── that long ──> closed

A target that hangs fails once in `first_token_timeout_s`, which no window of seconds would ever count: so failures
with no success between them do, however far apart they are. (As Envoy's outlier detection by consecutive errors.)

A trial may be a whole answer, which tells nothing until its end: one that takes longer than a cool-down is followed
by another, or the target would be kept out for as long as the longest answer takes.

Every change of state begins a new generation, and a call's outcome only counts in the generation that
admitted it: a time-out of a call from before an outage says nothing about the target after it. (As in
Sony's gobreaker.)
"""

from collections import deque
from collections.abc import Callable

from app.config.routing import RoutingConfig
from app.routing.events import State

# A provider may ask for a day; whoever raises a quota does not want to restart for it.
MAX_COOLING_S = 300.0
# What to tell a client while somebody else's trial runs.
TRIAL_RETRY_S = 1.0


class Breaker:
    """The breaker of one target. `clock` counts seconds; `on_change` gets the states before and after."""

    def __init__(
        self, config: RoutingConfig, clock: Callable[[], float], on_change: Callable[[State, State], None]
    ) -> None:
        self._config = config
        self._clock = clock
        self._on_change = on_change
        self._state: State = "closed"
        self._generation = 0
        self._failures: deque[float] = deque(maxlen=config.breaker_failures)
        self._in_a_row = 0  # failures since the last success
        self._until = 0.0  # end of `open` or `cooling`
        self._tried_at: float | None = None  # when a half-open breaker's call began that is under way

    @property
    def state(self) -> State:
        """The state at this moment."""
        if self._state in ("open", "cooling") and self._clock() >= self._until:
            self._become("half-open" if self._state == "open" else "closed")
        return self._state

    @property
    def wait_s(self) -> float:
        """Seconds until it may admit a call; 0: it would now."""
        match self.state:
            case "closed":
                return 0
            case "half-open":
                return self._trial_wait_s()
            case _:
                return max(0.0, self._until - self._clock())

    def admit(self) -> int | None:
        """Let a call pass: its generation, to be handed back with the outcome; None: it may not.

        Each admitted call must end in exactly one of `failed`, `limited` and `released`, before which
        it may have `succeeded`.
        """
        match self.state:
            case "closed":
                return self._generation
            case "half-open" if self._trial_wait_s() == 0:
                self._tried_at = self._clock()
                return self._generation
            case _:
                return None

    def succeeded(self, generation: int) -> int:
        """The target has begun to answer. Returns the generation in which the rest of the call counts."""
        if generation != self._generation:
            return generation
        self._in_a_row = 0
        if self._state == "half-open":
            self._become("closed")
        return self._generation

    def failed(self, generation: int) -> None:
        """The target is down, by this call."""
        if generation != self._generation:
            return
        now = self._clock()
        self._failures.append(now)
        self._in_a_row += 1
        enough = self._config.breaker_failures
        is_full = len(self._failures) == enough and now - self._failures[0] <= self._config.breaker_window_s
        if self._state == "half-open" or is_full or self._in_a_row >= enough:
            self._until = now + self._config.breaker_cooldown_s
            self._become("open")

    def limited(self, generation: int, pause_s: float) -> None:
        """The target itself asks to be left alone for so long."""
        if generation == self._generation:
            self._until = self._clock() + min(pause_s, MAX_COOLING_S)
            self._become("cooling")

    def released(self, generation: int) -> None:
        """The call ended, and (other than by `succeeded`) nothing was learned from it."""
        if generation == self._generation:
            self._tried_at = None

    def _trial_wait_s(self) -> float:
        """Seconds until a half-open breaker may admit a trial, or until a client should ask for it."""
        if self._tried_at is None:
            return 0
        left_s = self._tried_at + self._config.breaker_cooldown_s - self._clock()
        return min(TRIAL_RETRY_S, max(0.0, left_s))

    def _become(self, state: State) -> None:
        before, self._state = self._state, state
        self._generation += 1
        self._tried_at = None
        if before == "half-open":
            self._failures.clear()
            self._in_a_row = 0
        self._on_change(before, state)
