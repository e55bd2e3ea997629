"""The shared store behind the cache: a Valkey or Redis server, embedded or by URL."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from valkey.asyncio import Valkey
from valkey.exceptions import ResponseError, ValkeyError

from app.attentive import attentive
from app.failures import Failures

logger = logging.getLogger(__name__)

T = TypeVar("T")

# A store that has not answered this often in a row is left alone for a while; then one call tries again.
FAILURES_IN_A_ROW = 3
PAUSE_S = 1.0
# How many deadlines a call may take whose loss costs more than a wait, where the store has answered until now: without
# a lease another replica makes the same answer, which takes seconds and is billed.
PATIENT = 5
# For calls that somebody who runs the stack waits for.
PATIENCE_S = 5.0
SCAN_COUNT = 1000
# Calls at once. More would not be faster, and a burst of new connections alone would take longer than the deadline.
MAX_CONNECTIONS = 16

# Both in one step: between a look and a change another process could come.
CLAIM = """
local holder = redis.call('GET', KEYS[1])
if not holder or holder == ARGV[1] then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return holder
"""
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('UNLINK', KEYS[1]) end return 1"


class SharedStore:
    """Bytes by key, with a deadline on every call. A store that is down or slow answers None.

    A call that is given up closes its connection, so that nobody reads the late reply in place of its own
    (`Connection.read_response` in valkey-py does so; tests hold it to that).
    """

    def __init__(self, client: Valkey, timeout_ms: float) -> None:
        self._client = client
        self._timeout_s = timeout_ms / 1000
        self._room = asyncio.Semaphore(MAX_CONNECTIONS)
        self._in_a_row = 0
        self._paused_until = 0.0  # monotonic, seconds
        self._failures = Failures(logger, "cache store")

    @classmethod
    def connect(cls, url: str | None, socket: Path, timeout_ms: float) -> "SharedStore":
        """By URL, or to the embedded server's Unix socket. Connects at first use."""
        return cls(open_client(url, socket), timeout_ms)

    @property
    def failures(self) -> int:
        """Calls that came to nothing, so far."""
        return self._failures.count

    async def get(self, key: str) -> bytes | None:
        """The value, or None: absent, or the store did not answer in time."""
        return await self._ask(lambda: self._client.get(key))

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None] | None:
        """The values as they were at one moment; None when the store did not answer in time."""
        return await self._ask(lambda: self._client.mget(keys))

    async def put(self, key: str, value: bytes, ttl_s: float | None) -> bool:
        """Store a value, for which nobody waits. False when the store did not take it."""
        px = None if ttl_s is None else _ms(ttl_s)
        return bool(await self._ask(lambda: self._client.set(key, value, px=px), is_patient=True))

    async def claim(self, key: str, owner: bytes, ttl_s: float) -> bytes | None:
        """Hold a key, or hold it longer, unless another owner does. Who held it until now; None: nobody, or unknown.

        Takes PATIENT deadlines, where it must.
        """
        return await self._ask(lambda: self._eval(CLAIM, key, owner, _ms(ttl_s)), is_patient=True)

    async def release(self, key: str, owner: bytes) -> bool:
        """Hold it no longer; another owner's stays. False when the store did not answer in time."""
        return bool(await self._ask(lambda: self._eval(RELEASE, key, owner), is_patient=True))

    async def insist(self, key: str, value: bytes) -> bool:
        """Store a value for good. Takes seconds, where it must. False when the store did not take it."""
        return bool(await self._call(lambda: self._client.set(key, value), PATIENCE_S))

    async def remove(self, key: str) -> bool:
        """Remove a key. False when the store did not answer in time."""
        return await self._ask(lambda: self._client.unlink(key)) is not None

    async def remove_all(self, prefix: str) -> int | None:
        """Remove all keys that begin so; how many there were. `prefix` holds none of `*?[\\`.

        Takes seconds, where it must. None when the store ceased to answer.
        """
        removed, cursor = 0, 0
        while True:
            page = await self._call(lambda: self._client.scan(cursor, f"{prefix}*", SCAN_COUNT), PATIENCE_S)  # noqa: B023
            if page is None:
                return None
            cursor, keys = page
            if keys:
                count = await self._call(lambda: self._client.unlink(*keys), PATIENCE_S)  # noqa: B023
                if count is None:
                    return None
                removed += count
            if not cursor:
                return removed

    async def ping(self) -> bool:
        """Whether the store answers."""
        return bool(await self._call(self._client.ping, self._timeout_s))

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    async def _eval(self, script: str, key: str, *arguments: bytes | int) -> Any:
        return await self._client.execute_command("EVAL", script, 1, key, *arguments)  # type: ignore[no-untyped-call]

    async def _ask(self, call: Callable[[], Awaitable[T]], *, is_patient: bool = False) -> T | None:
        """Call, unless the store is left alone."""
        if self._in_a_row >= FAILURES_IN_A_ROW:
            now = time.monotonic()
            if now < self._paused_until:
                return None
            self._paused_until = now + PAUSE_S  # this call tries; the others wait for what it finds
        return await self._call(call, self._timeout_s * (PATIENT if is_patient and not self._in_a_row else 1))

    async def _call(self, call: Callable[[], Awaitable[T]], timeout_s: float) -> T | None:
        try:
            async with attentive(timeout_s), self._room:
                answer = await call()
        except ResponseError as error:  # out of memory, no permission: it answers, and at once
            self._in_a_row = 0
            self._failures.note(error)
            return None
        except (ValkeyError, OSError, TimeoutError) as error:
            self._in_a_row += 1
            self._paused_until = time.monotonic() + PAUSE_S
            self._failures.note(error)
            return None
        self._in_a_row = 0
        return answer


def open_client(url: str | None, socket: Path) -> Valkey:
    """A client of the store by URL, or of the embedded server's Unix socket. Connects at first use."""
    # Telling the server the library's name would cost each new connection two round trips.
    quiet: dict[str, Any] = {"lib_name": None, "lib_version": None}
    client: Valkey = Valkey.from_url(url, **quiet) if url else Valkey(unix_socket_path=str(socket), **quiet)
    return client


def _ms(seconds: float) -> int:
    return max(1, int(seconds * 1000))
