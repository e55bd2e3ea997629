"""The time as tables and counters hold it."""

import time


def now_ms() -> int:
    """Milliseconds since the epoch, by this machine."""
    return time.time_ns() // 1_000_000
