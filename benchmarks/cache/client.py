"""The gateway benchmark's connection, and what an answer's head says of the cache."""

from benchmarks.gateway.client import Client
from benchmarks.gateway.wire import header

_BEGUN, _ENDED = b'"content":"T', b"data: [DONE]"


class CacheClient(Client):
    """Asks one thing after the other."""

    @classmethod
    async def connect(cls, host: str, port: int) -> "CacheClient":
        """Open a connection. Raises OSError."""
        client = await super().connect(host, port)
        assert isinstance(client, CacheClient)
        return client

    # Every question has an answer of its own, and a guard that reads an answer for the first time may let go of half a
    # word: of a stream its first letter and its end are enough.
    def _has_begun(self) -> bool:
        return super()._has_begun() or _BEGUN in self._body

    def _has_ended(self) -> bool:
        return super()._has_ended() or _ENDED in self._body

    def said(self, name: str) -> str:
        """A header of the last answer; empty where it has none. `name` in lower case."""
        return (header(self._head or b"", name.encode()) or b"").decode("latin-1")
