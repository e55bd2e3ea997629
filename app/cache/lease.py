"""Leases in the shared store: of several ingress replicas, one makes an answer that all of them are asked for."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable

from app.cache.store import SharedStore

LEASE_S = 10.0
RENEW_S = 3.0
LOOK_S = 0.025
# A look that came to nothing tells nothing of the lease; after so many in a row the store is in trouble.
BLIND_LOOKS = 3


class Leases:
    """What this process makes an answer for. Without a store everybody is alone, and each makes its own."""

    def __init__(self, store: SharedStore) -> None:
        self._store = store
        self._owner = uuid.uuid4().hex.encode()
        self._held: dict[str, asyncio.Task[None]] = {}
        self._watched: dict[str, asyncio.Task[None]] = {}
        self._releasing: dict[str, asyncio.Task[None]] = {}

    async def take(self, key: str) -> bool:
        """Whether this process is to make the answer; the lease is kept up until it is given back."""
        if releasing := self._releasing.get(key):
            await asyncio.wait({releasing})  # it would end the new lease
        if key in self._held:
            return True
        try:
            holder = await self._store.claim(_name(key), self._owner, LEASE_S)
        except asyncio.CancelledError:
            if key not in self._held:
                self._release(key)  # it may have been claimed all the same
            raise
        if holder not in (None, self._owner):
            return False
        if key not in self._held:
            self._held[key] = asyncio.create_task(self._keep_up(key))
        return True

    async def changed(self, key: str) -> None:
        """Return when another process's lease has ended: its answer is there, or it has none."""
        watching = self._watched.get(key)
        if watching is None:
            watching = self._watched[key] = asyncio.create_task(self._watch(key))
            watching.add_done_callback(lambda _: self._watched.pop(key, None))
        await asyncio.shield(watching)  # one looks for all who wait

    def give_back(self, key: str, after: Callable[[], Awaitable[None]] | None = None) -> None:
        """End the lease, if this process has it; `after`: once that is done."""
        task = self._held.pop(key, None)
        if task is not None:
            task.cancel()
            self._release(key, after)

    async def aclose(self) -> None:
        """Give everything back."""
        for key in tuple(self._held):
            self.give_back(key)
        for watching in self._watched.values():
            watching.cancel()
        await asyncio.gather(*self._releasing.values(), *self._watched.values(), return_exceptions=True)

    def _release(self, key: str, after: Callable[[], Awaitable[None]] | None = None) -> None:
        releasing = self._releasing[key] = asyncio.create_task(self._end(key, after))

        def ended(task: asyncio.Task[None]) -> None:
            if self._releasing.get(key) is task:
                del self._releasing[key]

        releasing.add_done_callback(ended)

    async def _end(self, key: str, after: Callable[[], Awaitable[None]] | None) -> None:
        if after is not None:
            await after()
        await self._store.release(_name(key), self._owner)

    async def _watch(self, key: str) -> None:
        blind = 0
        while blind < BLIND_LOOKS:
            holders = await self._store.get_many([_name(key)])
            if holders == [None]:
                return
            blind = blind + 1 if holders is None else 0
            await asyncio.sleep(LOOK_S)

    async def _keep_up(self, key: str) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            await self._store.claim(_name(key), self._owner, LEASE_S)


def _name(key: str) -> str:
    return f"sextant:making:{key}"
