"""What the router hands on: the order to try targets in, and why."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from app.pipeline.draft import Draft
from app.routing.target import Target


@dataclass(frozen=True, slots=True)
class Plan:
    """The order in which targets are tried.

    `fallbacks` holds, by failure class, what follows `order` when the last of it failed that way.
    """

    order: tuple[Target, ...]
    reason: str  # `router.reason` of the trace: "weighted 0.31", "tier small: p=0.83 >= 0.74", "canary 5%"
    fallbacks: dict[str, tuple[Target, ...]] = field(default_factory=dict)
    shadow: Target | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to a target, made or meant. Times are nanoseconds since the epoch."""

    target: Target
    start_ns: int
    end_ns: int
    error: str | None  # the error's code; None: it answered
    called: bool = True  # False: its model was never asked: the reservation failed, or its API cannot say the request


@dataclass(slots=True)
class Trip:
    """One request through the dispatcher, which fills in the last two fields.

    `reserve` is awaited before each attempt at another target, and may refuse it: BudgetExceeded
    moves on to `fallbacks["budget"]`, RateLimited ends the trip. `is_lost` is asked before each further
    attempt: whether another process has settled the request, so that nobody would be billed for it any more.
    """

    plan: Plan
    draft: Draft
    answer_id: str
    deadline: float  # event-loop time, seconds
    reserve: Callable[[Target], Awaitable[None]]
    is_lost: Callable[[], bool] = lambda: False
    priority: int = 0  # 0: interactive; larger waits longer
    attempts: list[Attempt] = field(default_factory=list)
    answered_by: Target | None = None

    @property
    def last_called(self) -> Attempt | None:
        """The last attempt whose model was asked."""
        return next((attempt for attempt in reversed(self.attempts) if attempt.called), None)
