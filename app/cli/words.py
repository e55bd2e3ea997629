"""What is typed on the command line, understood: durations, times, budgets, subjects."""

import math
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import typer

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
PERIODS = ("day", "week", "month", "total")


def duration_s(text: str) -> int:
    """`90s`, `15m`, `12h`, `30d`, `4w`. Raises BadParameter."""
    match = re.fullmatch(r"(\d{1,9})([smhdw])", text)
    if not match:
        raise typer.BadParameter(f"{text!r} is no duration; write 90s, 15m, 12h, 30d or 4w")
    return int(match[1]) * UNITS_S[match[2]]


def moment_s(text: str, now: datetime) -> int | None:
    """Seconds since the epoch of a date, a time or a duration from now; None for `never`. Raises BadParameter."""
    if text == "never":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return int(now.timestamp()) + duration_s(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def budget(text: str) -> dict[str, Any]:
    """`100/month`, `5/day`, `20/total`, or `3/12h` for a window of that length. Raises BadParameter."""
    amount, _, period = text.partition("/")
    try:
        dollars = float(Decimal(amount.removeprefix("$")))
    except (InvalidOperation, ValueError):
        dollars = math.nan
    if not math.isfinite(dollars):
        raise typer.BadParameter(f"{text!r} is no budget; write 100/month, 5/day, 20/total or 3/12h")
    if period in PERIODS:
        return {"amount_usd": dollars, "period": period}
    return {"amount_usd": dollars, "period": "rolling", "window_s": duration_s(period)}


def subject(text: str) -> str:
    """A subject as the stack writes it; a bare word is a key's id."""
    return text if ":" in text else f"key:{text}"


def labels(texts: list[str]) -> dict[str, str]:
    """`name=value` pairs. Raises BadParameter."""
    pairs = [text.partition("=") for text in texts]
    if not all(equals for _, equals, _ in pairs):
        raise typer.BadParameter("write metadata as name=value")
    return {name: value for name, _, value in pairs}
