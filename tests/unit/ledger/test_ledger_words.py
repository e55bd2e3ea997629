"""What is written for people: durations, dollars, and the ends of periods."""

from datetime import UTC, datetime

import pytest

from app.accounts.types import Period
from app.config.money import usd_text
from app.ledger.periods import Span, span
from app.ledger.refusal import duration


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0s"),
        (120, "120ms"),
        (1000, "1s"),
        (1500, "1.5s"),
        (60_000, "1m0s"),
        (360_000, "6m0s"),
        (3_600_000, "1h0m0s"),
        (90_061_007, "25h1m1.007s"),
    ],
)
def test_durations_are_written_as_openai_writes_them(ms: int, text: str) -> None:
    assert duration(ms) == text


@pytest.mark.parametrize(
    ("nano", "text"),
    [(0, "0"), (1, "0.000000001"), (37_500, "0.0000375"), (10**9, "1"), (10**12, "1000"), (2_500_000_000, "2.5")],
)
def test_dollars_are_written_in_full(nano: int, text: str) -> None:
    assert usd_text(nano) == text


def at(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1000  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("period", "moment", "start", "end"),
    [
        ("day", at(2026, 12, 31, 23, 59, 59) + 999, at(2026, 12, 31), at(2027, 1, 1)),
        ("day", at(2027, 1, 1), at(2027, 1, 1), at(2027, 1, 2)),
        ("week", at(2026, 11, 24), at(2026, 11, 23), at(2026, 11, 30)),
        ("week", at(2026, 11, 23), at(2026, 11, 23), at(2026, 11, 30)),
        ("month", at(2028, 2, 29, 12), at(2028, 2, 1), at(2028, 3, 1)),
        ("month", at(2026, 12, 31), at(2026, 12, 1), at(2027, 1, 1)),
        ("total", at(2026, 12, 31), 0, None),
    ],
)
def test_periods_follow_the_calendar(period: Period, moment: int, start: int, end: int | None) -> None:
    assert span(period, moment) == Span(start, end)


def test_a_rolling_budget_has_no_calendar() -> None:
    with pytest.raises(ValueError, match="rolling"):
        span("rolling", 0)
