"""How long a target has lately taken."""

import math
from collections.abc import Callable

DECAY_S = 10.0


class RecentLatency:
    """Exponentially weighted moving average over time: what is `DECAY_S` seconds old weighs 1/e.

    Weighted by time rather than by number, so that a burst of samples counts as the one moment it is
    and an old value gives way at once (Finagle's EWMA load metric, same default).
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at = 0.0
        self.value_s: float | None = None

    def add(self, sample_s: float) -> None:
        """Count a sample taken now."""
        now = self._clock()
        if self.value_s is None:
            self.value_s = sample_s
        else:
            kept = math.exp(-(now - self._at) / DECAY_S)
            self.value_s = kept * self.value_s + (1 - kept) * sample_s
        self._at = now
