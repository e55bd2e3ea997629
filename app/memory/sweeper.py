"""Retention and erasure in the background: one ingress process at a time does it, by a lease in the shared store."""

import asyncio
import logging
import uuid
from typing import Protocol

from app.config.memory import MemoryConfig
from app.errors import SextantError
from app.failures import Failures
from app.memory.erasure import ErasureRecords

logger = logging.getLogger(__name__)

LEASE = "sextant:memory:sweeping"
LEASE_SHARE = 0.9  # of the time between two rounds: it has ended by the next one, whoever had it


class Leased(Protocol):
    """The shared store."""

    async def claim(self, key: str, owner: bytes, ttl_s: float) -> bytes | None: ...


class Erases(Protocol):
    """Whoever has the traces."""

    async def delete(self, tag: str, value: str) -> int: ...


class Sweeper:
    """`failures` counts erasures of traces that came to nothing; each is tried again."""

    def __init__(self, config: MemoryConfig, records: ErasureRecords, traces: Erases | None, lease: Leased) -> None:
        self._config = config
        self._records = records
        self._traces = traces
        self._lease = lease
        self._owner = uuid.uuid4().hex.encode()
        self._woken = asyncio.Event()
        self.failures = Failures(logger, "erasure of traces")

    def wake(self) -> None:
        """Something was erased: look now."""
        self._woken.set()

    async def follow(self) -> None:
        """Look every `sweep_s`, for as long as the process lives."""
        while True:
            self._woken.clear()
            try:
                holder = await self._lease.claim(LEASE, self._owner, self._config.sweep_s * LEASE_SHARE)
                if holder in (None, self._owner):
                    await self.sweep()
            except SextantError as error:
                logger.warning("memory: %s", error)
            except Exception as error:
                # A loop that ends would keep everything for ever, silently.
                logger.error("memory: the sweeper failed: %s", type(error).__name__)
            try:
                async with asyncio.timeout(self._config.sweep_s):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def sweep(self) -> None:
        """One round."""
        gone = await self._records.expire(self._config.retention_days)
        if gone.conversations or gone.memories:
            logger.info("memory: %d conversations and %d facts have expired", gone.conversations, gone.memories)
        for erasure in await self._records.due():
            try:
                if self._traces is not None:
                    await self._traces.delete(erasure.tag, erasure.value)
            except (SextantError, ValueError) as error:
                self.failures.note(error)
                await self._records.failed(erasure)
            else:
                await self._records.done(erasure)
