"""What a rail is."""

from collections.abc import Sequence
from typing import Protocol

from app.guard.types import Context, Hit


class TextRail(Protocol):
    """Looks at texts, each for itself. The same text gets the same hits, so that they may be remembered.

    `version` changes whenever it would find something else: it is part of cache keys.
    """

    version: str

    def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
        """The hits of each text, whatever their score. CPU-bound; called in several threads at once. May raise."""
        ...


class ContextRail(Protocol):
    """Looks at texts with what stands around them, or asks somebody else about them."""

    version: str

    async def examine(self, texts: Sequence[str], context: Context) -> list[list[Hit]]:
        """The hits of each text. Never blocks the event loop. May raise."""
        ...


class RailMissing(Exception):
    """A rail cannot be made: what it needs is not there. The message says what to do."""
