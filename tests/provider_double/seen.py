"""What a double has seen: counts for everybody, and the last request for tests that look at it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Counts:
    """Of all requests, or of one model's."""

    requests: int = 0
    completed: int = 0  # answered to the last byte
    failed: int = 0  # met a fault or an error of the double's own
    cancelled: int = 0  # the client left before the last byte
    tokens: int = 0  # generated, those of answers that were not read to the end included


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came in."""

    path: str  # with its query
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(slots=True)
class Seen(Counts):
    """The counts, by model too, and the connections."""

    connections: int = 0  # opened since the start
    open: int = 0  # open now
    models: dict[str, Counts] = field(default_factory=dict)
    last: Received | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def count(self, model: str, what: str, by: int = 1) -> None:
        """Add to a count, of the whole and of the model."""
        per_model = self.models.get(model)
        if per_model is None:
            per_model = self.models[model] = Counts()
        for counts in (self, per_model):
            setattr(counts, what, getattr(counts, what) + by)
        self._changed.set()

    def connected(self, by: int) -> None:
        """A connection was opened (1) or closed (-1)."""
        self.connections += max(0, by)
        self.open += by
        self._changed.set()

    async def until(self, holds: Callable[["Seen"], bool], timeout_s: float = 5) -> None:
        """Wait for a condition on the counts. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not holds(self):
                self._changed.clear()
                await self._changed.wait()

    def to_wire(self) -> dict[str, Any]:
        """The answer of `GET /control`."""
        return {
            **_plain(self),
            "connections": self.connections,
            "open": self.open,
            "models": {name: _plain(counts) for name, counts in self.models.items()},
        }


def _plain(counts: Counts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in ("requests", "completed", "failed", "cancelled", "tokens")}
