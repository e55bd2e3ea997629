"""The shared store behind the cache: a Valkey or Redis server, embedded or by URL."""

import asyncio
import logging
from pathlib import Path

from valkey.asyncio import Valkey
from valkey.exceptions import ValkeyError

logger = logging.getLogger(__name__)


class SharedStore:
    """Bytes by key, with a deadline on every call. A store that is down or slow answers None."""

    def __init__(self, client: Valkey, timeout_ms: float) -> None:
        self._client = client
        self._timeout_s = timeout_ms / 1000
        self.failures = 0

    @classmethod
    def connect(cls, url: str | None, socket: Path, timeout_ms: float) -> "SharedStore":
        """By URL, or to the embedded server's Unix socket. Connects at first use."""
        client = Valkey.from_url(url) if url else Valkey(unix_socket_path=str(socket))
        return cls(client, timeout_ms)

    async def get(self, key: str) -> bytes | None:
        """The value, or None: absent, or the store did not answer in time."""
        try:
            async with asyncio.timeout(self._timeout_s):
                value: bytes | None = await self._client.get(key)
                return value
        except (ValkeyError, OSError, TimeoutError) as error:
            self._failed(error)
            return None

    async def put(self, key: str, value: bytes, ttl_s: float | None) -> bool:
        """Store a value. False when the store did not take it."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._client.set(key, value, px=None if ttl_s is None else max(1, int(ttl_s * 1000)))
                return True
        except (ValkeyError, OSError, TimeoutError) as error:
            self._failed(error)
            return False

    async def ping(self) -> bool:
        """Whether the store answers."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return bool(await self._client.ping())
        except (ValkeyError, OSError, TimeoutError) as error:
            self._failed(error)
            return False

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        # Once per power of two: a store that stays down must not flood the log.
        if self.failures & (self.failures - 1) == 0:
            logger.warning("cache store: %s (%d failures so far)", type(error).__name__, self.failures)
