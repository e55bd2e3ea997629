"""The state of every target, as this process sees it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.config.routing import RoutingConfig
from app.errors import InvalidRequest, SextantError, Unavailable, UpstreamFailed, UpstreamRateLimited
from app.routing.breaker import Breaker
from app.routing.events import BreakerChanged, Listener, State, tell
from app.routing.failures import Failure, failure_class
from app.routing.latency import RecentLatency
from app.routing.outlook import Outlook
from app.routing.target import Target


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """A target for /readyz and the console."""

    state: State
    in_flight: int
    first_token_s: float | None  # moving average
    last_error: str | None  # code
    retry_after_s: float  # 0: in rotation


class TargetBoard:
    """What is known of each target: breaker, calls in flight, time to the first token, last error.

    By target id: a model and its adapters are one. It lives in one event loop and needs no lock.
    """

    def __init__(
        self,
        config: RoutingConfig,
        *,
        clock: Callable[[], float] = time.monotonic,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self._config = config
        self._clock = clock
        self._listeners = listeners
        self._rows: dict[str, _Row] = {}

    def begin(self, target: Target) -> "Call | None":
        """Enter a call, to be ended in any case; None: the target is out of rotation."""
        row = self._row(target)
        generation = row.breaker.admit()
        return None if generation is None else Call(target, row, generation)

    def is_available(self, target: Target) -> bool:
        """Whether `begin` would let a call pass now."""
        return self.retry_after_s(target) == 0

    def retry_after_s(self, target: Target) -> float:
        """Seconds until the target is in rotation again; 0: it is."""
        return self._row(target).breaker.wait_s

    def in_flight(self, target: Target) -> int:
        """Calls of this process that have not ended."""
        return self._row(target).in_flight

    def first_token_s(self, target: Target) -> float | None:
        """Moving average of the time to the first token; None: unknown."""
        return self._row(target).latency.value_s

    def expected_s(self, target: Target) -> float | None:
        """How long a call may expect to wait for its first token (`Outlook.expected_s`); None: nobody knows."""
        return self._row(target).outlook.expected_s

    def refusal(self, target: Target) -> SextantError:
        """The error for not having asked a target that is out of rotation."""
        row = self._row(target)
        wait_s = row.breaker.wait_s
        if row.breaker.state == "cooling" and row.last_error == UpstreamRateLimited.code:
            return UpstreamRateLimited("The provider's rate limit is reached; try again later.", retry_after_s=wait_s)
        return Unavailable("No model that could answer is available; try again.", retry_after_s=wait_s)

    def snapshot(self) -> dict[str, TargetStatus]:
        """Every target that was ever asked, by id."""
        return {
            target: TargetStatus(
                row.breaker.state, row.in_flight, row.latency.value_s, row.last_error, row.breaker.wait_s
            )
            for target, row in self._rows.items()
        }

    def _row(self, target: Target) -> "_Row":
        row = self._rows.get(target.id)
        if row is None:
            row = self._rows[target.id] = _Row(target.id, self._config, self._clock, self._listeners)
        return row


class _Row:
    """What is known of one target."""

    def __init__(
        self, target: str, config: RoutingConfig, clock: Callable[[], float], listeners: Sequence[Listener]
    ) -> None:
        self._target = target
        self._listeners = listeners
        self.clock = clock
        self.breaker = Breaker(config, clock, self._changed)
        self.latency = RecentLatency(clock)
        self.outlook = Outlook(clock, config.first_token_timeout_s)
        self.in_flight = 0
        self.last_error: str | None = None

    def _changed(self, before: State, after: State) -> None:
        tell(self._listeners, BreakerChanged(self._target, before, after, self.last_error))


class Call:
    """One call under way. `ended` or `abandoned` must be called, once."""

    def __init__(self, target: Target, row: _Row, generation: int) -> None:
        self.target = target
        self._row = row
        self._generation = generation
        self._started = row.clock()
        self._is_waiting = True
        row.in_flight += 1
        row.outlook.begun()

    def answered(self) -> None:
        """The first token is there (or the whole answer, which counts as one)."""
        self._is_waiting = False
        waited_s = self._row.clock() - self._started
        self._row.latency.add(waited_s)
        self._row.outlook.answered(waited_s)
        self._generation = self._row.breaker.succeeded(self._generation)

    def ended(self, error: BaseException | None = None) -> None:
        """It is over: well, with an error, or cancelled."""
        row = self._row
        row.in_flight -= 1
        kind = failure_class(error) if error is not None else None
        if self._is_waiting:
            self._end_waiting(error, kind)
        if isinstance(error, SextantError) and kind in ("down", "rate_limit"):
            row.last_error = error.code
        match error:
            case UpstreamRateLimited() | UpstreamFailed() if error.retry_after_s:
                row.breaker.limited(self._generation, error.retry_after_s)
            case _ if kind == "down":
                row.breaker.failed(self._generation)
            case InvalidRequest() if kind != "unsupported":
                # It refuses this request, and so is well.
                row.breaker.released(row.breaker.succeeded(self._generation))
            case _:
                row.breaker.released(self._generation)

    def abandoned(self) -> None:
        """It was never made."""
        self._row.in_flight -= 1
        self._row.outlook.abandoned()
        self._row.breaker.released(self._generation)

    def _end_waiting(self, error: BaseException | None, kind: Failure | None) -> None:
        """What a call without an answer tells of how long one takes."""
        outlook, waited_s = self._row.outlook, self._row.clock() - self._started
        match error:
            case UpstreamRateLimited() | UpstreamFailed() if error.retry_after_s:
                outlook.abandoned()  # the breaker keeps it out for as long as that holds
            case _ if kind == "unsupported":
                outlook.abandoned()  # nothing was sent
            case _ if kind in ("down", "rate_limit"):
                outlook.failed(waited_s)
            case _:
                outlook.left(waited_s)
