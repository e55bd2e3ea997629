"""How a stream of chat chunks leaves in a dialect."""

from typing import Any, Protocol

from app.errors import SextantError
from app.wire.sse import event


class StreamEncoder(Protocol):
    """A small state machine: one for each stream."""

    def chunk(self, chunk: dict[str, Any]) -> bytes:
        """A chunk's events; empty where it has none. Raises UpstreamFailed."""
        ...

    def end(self) -> bytes:
        """The events that complete the answer. Raises UpstreamFailed for one that is not complete."""
        ...

    def failed(self, error: SextantError) -> bytes:
        """The events that end the stream instead."""
        ...


def named_event(name: str, payload: dict[str, Any]) -> bytes:
    """An event with its name in front, as both dialects frame theirs."""
    return b"event: " + name.encode() + b"\n" + event(payload)
