"""Splitting a replica's time over the requests that it works on: what GPU-seconds are billed by."""

import time
from collections.abc import Callable


class ReplicaClock:
    """Virtual time, as in fair queueing (Demers, Keshav, Shenker 1989): it advances at 1/n while n requests are
    under way, so a request's share is the virtual time between its start and its end, and all shares
    together are the time in which the replica had work. Constant time for each event."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._at = now()
        self._virtual = 0.0
        self._active = 0

    def start(self) -> float:
        """A request begins. Returns its start in virtual seconds, for `share` and `end`."""
        virtual = self._advance()
        self._active += 1
        return virtual

    def share(self, start: float) -> float:
        """Seconds of the replica that a request has had so far."""
        return self._advance() - start

    def end(self, start: float) -> float:
        """A request ends. Returns its share in seconds."""
        share = self.share(start)
        self._active -= 1
        return share

    def _advance(self) -> float:
        now = self._now()
        if self._active:
            self._virtual += (now - self._at) / self._active
        self._at = now
        return self._virtual
