"""How long a provider asks us to wait, from the headers of its answer."""

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

MAX_PAUSE_S = 3600.0

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def pause_asked_for(headers: Mapping[str, str], status: int) -> float | None:
    """Seconds; None where nothing is said.

    `retry-after-ms` and `retry-after` (seconds or a date, RFC 9110 section 10.2.3) count under any
    status; under 429 also `x-ratelimit-reset-*`: of what is used up, the last to come back.
    """
    pause = _number(headers.get("retry-after-ms"), 0.001)
    if pause is None:
        pause = _retry_after(headers.get("retry-after"))
    if pause is None and status == 429:
        pause = _reset(headers)
    return None if pause is None else min(max(pause, 0.0), MAX_PAUSE_S)


def _retry_after(value: str | None) -> float | None:
    seconds = _number(value, 1)
    if seconds is not None or value is None:
        return seconds
    try:
        return parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None


def _reset(headers: Mapping[str, str]) -> float | None:
    """OpenAI and Groq: durations such as `6m0s`, for requests and for tokens."""
    used_up: list[float] = []
    others: list[float] = []
    for what in ("requests", "tokens"):
        pause = _duration(headers.get(f"x-ratelimit-reset-{what}"))
        if pause is not None:
            (used_up if headers.get(f"x-ratelimit-remaining-{what}") == "0" else others).append(pause)
    return max(used_up) if used_up else min(others, default=None)


def _duration(value: str | None) -> float | None:
    if not value:
        return None
    parts = _DURATION.findall(value)
    if "".join(number + unit for number, unit in parts) != value:
        return _number(value, 1)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _number(value: str | None, unit: float) -> float | None:
    """A plain decimal: `float` would take `nan` and `1e9` too."""
    return float(value) * unit if value and re.fullmatch(r"\d{1,12}(\.\d{1,9})?", value.strip()) else None
