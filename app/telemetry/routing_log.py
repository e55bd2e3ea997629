"""What routing tells, in the log: a target that goes out of rotation is worth a line, a shadow's answer none."""

import logging

from app.routing.events import BreakerChanged, RoutingEvent

logger = logging.getLogger(__name__)


def log_routing(event: RoutingEvent) -> None:
    """A listener of routing events."""
    if isinstance(event, BreakerChanged):
        cause = f" ({event.error})" if event.error and event.after != "closed" else ""
        logger.warning("target %s: %s -> %s%s", event.target, event.before, event.after, cause)
