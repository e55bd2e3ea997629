"""The gateway benchmark's connection, and what an answer's head says of the cache."""

from benchmarks.gateway.client import Client
from benchmarks.gateway.wire import header


class CacheClient(Client):
    """Asks one thing after the other."""

    @classmethod
    async def connect(cls, host: str, port: int) -> "CacheClient":
        """Open a connection. Raises OSError."""
        client = await super().connect(host, port)
        assert isinstance(client, CacheClient)
        return client

    def said(self, name: str) -> str:
        """A header of the last answer; empty where it has none. `name` in lower case."""
        return (header(self._head or b"", name.encode()) or b"").decode("latin-1")
