"""What routing tells: metrics, logs and traces listen."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

logger = logging.getLogger(__name__)

State = Literal["closed", "open", "half-open", "cooling"]


@dataclass(frozen=True, slots=True)
class BreakerChanged:
    """A target went out of rotation, is being tried, or is back. See `app.routing.breaker`."""

    target: str
    before: State
    after: State
    error: str | None  # code of the target's last failure


@dataclass(frozen=True, slots=True)
class ShadowFinished:
    """A mirrored request has ended. Times are nanoseconds since the epoch."""

    target: str
    answer_id: str  # of the request that was mirrored
    start_ns: int
    end_ns: int
    first_token_ns: int | None  # None: none came, or the answer came in one piece
    error: str | None  # the error's code; None: it answered
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_nano: int = 0  # nano-dollars, by the target's price; tokens that the model did not count are estimated


@dataclass(frozen=True, slots=True)
class ShadowDropped:
    """A request was not mirrored: too many were under way."""

    target: str


@dataclass(frozen=True, slots=True)
class RequestShed:
    """A request was refused at once: the process is as busy as it may be."""

    is_batch: bool


RoutingEvent = BreakerChanged | ShadowFinished | ShadowDropped | RequestShed
Listener = Callable[[RoutingEvent], None]
"""Must return at once and never raise."""


def tell(listeners: Iterable[Listener], event: RoutingEvent) -> None:
    """Tell everybody. A listener that fails is logged: no request fails for it."""
    for listener in listeners:
        try:
            listener(event)
        except Exception as error:
            logger.error("a listener failed: %s", type(error).__name__)
