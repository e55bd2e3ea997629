"""What a target's next call may expect: its latency of late, and what its failures and its silence tell beside it."""

import math
from collections.abc import Callable

from app.routing.latency import RecentLatency


class Outlook:
    """Counts the calls of one target that wait for their first token, and how their waiting ends.

    A failure counts as `failed_s` at least: one that comes at once is no fast answer, and a target that refuses all
    would draw all requests to it.
    """

    def __init__(self, clock: Callable[[], float], failed_s: float) -> None:
        self._clock = clock
        self._failed_s = failed_s
        self._average = RecentLatency(clock)
        self._is_failing = False
        self._waiting = 0
        self._silent_since = 0.0  # where calls wait

    @property
    def expected_s(self) -> float | None:
        """How long a call that begins now waits for its first token, as far as can be told; None: it was never asked.

        Infinite where nothing has come since a failure, or ever. No less than the target has been silent for by now
        while calls wait: who hangs is found out by the next request, not when the first one is given up.
        """
        average_s = self._average.value_s
        if self._is_failing or (average_s is None and self._waiting):
            return math.inf
        silent_s = self._clock() - self._silent_since if self._waiting else 0.0
        return None if average_s is None else max(average_s, silent_s)

    def begun(self) -> None:
        """A call waits. One of the other methods must follow."""
        if not self._waiting:
            self._silent_since = self._clock()
        self._waiting += 1

    def answered(self, after_s: float) -> None:
        """Its first token came."""
        self._waiting -= 1
        self._silent_since = self._clock()
        self._average.add(after_s)
        self._is_failing = False

    def failed(self, after_s: float) -> None:
        """It failed, or took too long."""
        self._waiting -= 1
        self._average.add(max(after_s, self._failed_s))
        self._is_failing = True

    def left(self, after_s: float) -> None:
        """It ended otherwise: until then at least nothing had come."""
        self._waiting -= 1
        if self._average.value_s is None:
            self._is_failing = True  # or whoever does not wait for an unknown target would leave it to the next one
        elif after_s > self._average.value_s:
            self._average.add(after_s)

    def abandoned(self) -> None:
        """It tells nothing."""
        self._waiting -= 1
