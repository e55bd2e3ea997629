"""The counter store: Valkey or Redis, embedded or by URL, asked by atomic scripts."""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

from valkey.asyncio import BlockingConnectionPool, UnixDomainSocketConnection, Valkey
from valkey.exceptions import NoScriptError, ValkeyError

from app.attentive import attentive
from app.errors import Unavailable
from app.failures import Failures
from app.ledger.meters import PREFIX

logger = logging.getLogger(__name__)

LEASES = f"{PREFIX}:leases"
CONNECTIONS = 32
RETRY_AFTER_S = 1.0
HERE = Path(__file__).parent


class StoreFailed(Unavailable):
    """The counter store did not answer. Whether requests pass then is a setting; any other Unavailable refuses."""


class Script(Enum):
    """The operations. Each is one file, and runs as a whole or not at all."""

    ADMIT = "admit"
    RESERVE = "reserve"
    SETTLE = "settle"
    HEARTBEAT = "heartbeat"
    CLAIM = "claim"
    LOAD_BEGIN = "load_begin"
    LOAD_FINISH = "load_finish"
    FORGET = "forget"

    def __init__(self, file: str) -> None:
        parts = [(HERE / f"{name}.lua").read_text(encoding="utf-8") for name in ("meters", file)]
        self.source = "\n".join(parts)
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


class MeterStore:
    """Runs scripts, with a deadline on each. The store's clock is everybody's; `clock` replaces it in tests."""

    def __init__(self, client: Valkey, timeout_ms: float, clock: Callable[[], int] | None = None) -> None:
        self._client: Any = client  # its scripting calls are typed for another kind of client
        self._timeout_s = timeout_ms / 1000
        self._clock = clock
        self._failures = Failures(logger, "counter store")

    @classmethod
    def connect(
        cls, url: str | None, socket: Path, timeout_ms: float, clock: Callable[[], int] | None = None
    ) -> "MeterStore":
        """By URL, or to the embedded server's Unix socket. Connects at first use; waits when all connections work."""
        bounds: dict[str, Any] = {"max_connections": CONNECTIONS, "timeout": timeout_ms / 1000}
        pool: BlockingConnectionPool
        if url:
            pool = BlockingConnectionPool.from_url(url, **bounds)
        else:
            pool = BlockingConnectionPool(connection_class=UnixDomainSocketConnection, path=str(socket), **bounds)
        return cls(Valkey.from_pool(pool), timeout_ms, clock)

    async def run(self, script: Script, *arguments: str | int | bytes) -> Any:
        """What the script answers. Raises StoreFailed: it may have run all the same."""
        now: str | int = self._clock() if self._clock else ""
        try:
            async with attentive(self._timeout_s):
                try:
                    return await self._client.evalsha(script.sha, 1, LEASES, now, *arguments)
                except NoScriptError:
                    return await self._client.eval(script.source, 1, LEASES, now, *arguments)
        except (ValkeyError, OSError, TimeoutError) as error:
            self._failures.note(error)
            raise StoreFailed("The counters cannot be reached right now.", retry_after_s=RETRY_AFTER_S) from error

    async def ping(self) -> bool:
        """Whether the store answers."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return bool(await self._client.ping())
        except (ValkeyError, OSError, TimeoutError):
            return False

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose(close_connection_pool=True)
