"""What a rail is."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from app.guard.types import Context, Hit


class TextRail(Protocol):
    """Looks at texts, each for itself. The same text gets the same hits, so that they may be remembered.

    `version` changes whenever it would find something else: it is part of cache keys.
    """

    version: str

    def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
        """The hits of each text, whatever their score. CPU-bound; called in several threads at once. May raise."""
        ...


# The hits of each text, or what finds them.
Examination = list[list[Hit]] | Callable[[], list[list[Hit]]]


@runtime_checkable
class HeavyRail(TextRail, Protocol):
    """A text rail that leaves the interpreter to others for most of its time, where it takes its time at all."""

    def begin(self, texts: Sequence[str]) -> Examination:
        """As `examine`, but what takes long and needs no interpreter is left to be called in another thread. May
        raise, and so may what it returns."""
        ...


class ContextRail(Protocol):
    """Looks at texts with what stands around them, or asks somebody else about them."""

    version: str

    async def examine(self, texts: Sequence[str], context: Context) -> list[list[Hit]]:
        """The hits of each text. Never blocks the event loop. May raise."""
        ...


class RailMissing(Exception):
    """A rail cannot be made: what it needs is not there. The message says what to do."""
