"""Leases in the shared store: of several ingress replicas, one makes an answer that all of them are asked for."""

import asyncio
import uuid

from app.cache.store import SharedStore

LEASE_S = 10.0
RENEW_S = 3.0
LOOK_S = 0.025


class Leases:
    """What this process makes an answer for. Without a store everybody is alone, and each makes its own."""

    def __init__(self, store: SharedStore) -> None:
        self._store = store
        self._owner = uuid.uuid4().hex.encode()
        self._held: dict[str, asyncio.Task[None]] = {}
        self._watched: dict[str, asyncio.Task[None]] = {}
        self._releasing: set[asyncio.Task[bool]] = set()

    async def take(self, key: str) -> bool:
        """Whether this process is to make the answer; the lease is kept up until it is given back."""
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

    def give_back(self, key: str) -> None:
        """End the lease, if this process has it."""
        task = self._held.pop(key, None)
        if task is not None:
            task.cancel()
            self._release(key)

    async def aclose(self) -> None:
        """Give everything back."""
        for key in tuple(self._held):
            self.give_back(key)
        for watching in self._watched.values():
            watching.cancel()
        await asyncio.gather(*self._releasing, *self._watched.values(), return_exceptions=True)

    def _release(self, key: str) -> None:
        releasing = asyncio.create_task(self._store.release(_name(key), self._owner))
        self._releasing.add(releasing)
        releasing.add_done_callback(self._releasing.discard)

    async def _watch(self, key: str) -> None:
        while await self._store.get(_name(key)) is not None:  # noqa: ASYNC110 - the condition is another process's
            await asyncio.sleep(LOOK_S)

    async def _keep_up(self, key: str) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            await self._store.claim(_name(key), self._owner, LEASE_S)


def _name(key: str) -> str:
    return f"sextant:making:{key}"
