"""When a budget's period begins and ends."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.accounts.types import Period


@dataclass(frozen=True, slots=True)
class Span:
    """From `start_ms` up to `end_ms`, which is None where there is no end. Milliseconds since the epoch."""

    start_ms: int
    end_ms: int | None


def span(period: Period, at_ms: int) -> Span:
    """The calendar period (UTC, weeks from Monday) in which a moment lies.

    A `total` budget has one that never ends. A `rolling` one has no period at all; ValueError.
    """
    if period == "total":
        return Span(0, None)
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    start = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        end = start + timedelta(days=1)
    elif period == "week":
        start -= timedelta(days=start.weekday())
        end = start + timedelta(days=7)
    elif period == "month":
        start = start.replace(day=1)
        end = (start + timedelta(days=31)).replace(day=1)
    else:
        raise ValueError(f"{period} has no calendar")
    return Span(_ms(start), _ms(end))


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000
