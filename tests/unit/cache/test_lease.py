"""Leases over a real Valkey: of several processes one makes an answer, and the others learn when it has ended."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from app.cache import lease
from app.cache.embedded import EmbeddedValkey, socket_path
from app.cache.lease import Leases
from app.cache.store import SharedStore
from tests.unit.cache.dict_store import DictStore


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    valkey = EmbeddedValkey(tmp_path, max_memory_mb=16)
    valkey.start()
    yield valkey
    valkey.stop()


@pytest.fixture
async def replicas(server: EmbeddedValkey, tmp_path: Path) -> AsyncIterator[list[Leases]]:
    stores = [SharedStore.connect(None, socket_path(tmp_path), timeout_ms=2000) for _ in range(2)]
    yield [Leases(store) for store in stores]
    for store in stores:
        await store.close()


async def test_one_of_two_makes_the_answer(replicas: list[Leases]) -> None:
    one, two = replicas
    assert await one.take("key")
    assert not await two.take("key")
    assert await two.take("another")
    assert await one.take("key")  # who has it keeps it

    waiting = asyncio.create_task(two.changed("key"))
    one.give_back("key")
    async with asyncio.timeout(5):
        await waiting
    assert await two.take("key")
    for held in ("key", "another"):
        two.give_back(held)


async def test_a_lease_is_kept_up_as_long_as_it_is_held(
    replicas: list[Leases], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_S", 0.3)
    monkeypatch.setattr(lease, "RENEW_S", 0.05)
    one, two = replicas
    assert await one.take("key")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.9):  # three times its life
            await two.changed("key")
    assert not await two.take("key")
    one.give_back("key")


async def test_the_lease_of_a_process_that_died_runs_out(
    replicas: list[Leases], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_S", 0.2)
    monkeypatch.setattr(lease, "RENEW_S", 3600)  # it renews no more
    one, two = replicas
    assert await one.take("key")
    async with asyncio.timeout(5):
        await two.changed("key")
    assert await two.take("key")
    one.give_back("key")  # it comes back: what is another's by now stays
    await asyncio.sleep(0)
    assert not await one.take("key")
    two.give_back("key")


async def test_without_a_store_everybody_makes_an_answer(tmp_path: Path) -> None:
    alone = Leases(SharedStore.connect(None, tmp_path / "nobody.sock", timeout_ms=50))
    assert await alone.take("key")
    alone.give_back("key")


class FailingStore(DictStore):
    """Does not answer the next `failures` looks."""

    failures_left = 0
    looks = 0

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None] | None:
        self.looks += 1
        if self.failures_left:
            self.failures_left -= 1
            return None
        return await super().get_many(keys)


async def test_a_look_that_fails_does_not_end_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LOOK_S", 0)
    store = FailingStore()
    one, two = Leases(store), Leases(store)
    assert await one.take("key")
    waiting = asyncio.create_task(two.changed("key"))
    for failures in (1, lease.BLIND_LOOKS - 1):
        store.failures_left, store.looks = failures, 0
        async with asyncio.timeout(5):
            while store.looks < failures + 2:  # noqa: ASYNC110 - the watch tells nobody of a look
                await asyncio.sleep(0)
        assert not waiting.done()

    store.failures_left = 1000  # now it is in trouble
    async with asyncio.timeout(5):
        await waiting
    assert store.failures_left > 900
    one.give_back("key")


async def test_a_lease_ends_when_what_was_made_is_in_the_store() -> None:
    store, is_written = DictStore(), asyncio.Event()
    one, two = Leases(store), Leases(store)

    async def written() -> None:
        await is_written.wait()

    assert await one.take("key")
    one.give_back("key", after=written)
    for _ in range(10):
        await asyncio.sleep(0)
    assert not await two.take("key")

    again = asyncio.create_task(one.take("key"))  # not before the old one has ended: that would end the new one
    for _ in range(10):
        await asyncio.sleep(0)
    assert not again.done()
    is_written.set()
    async with asyncio.timeout(5):
        assert await again
    for _ in range(10):
        await asyncio.sleep(0)
    assert not await two.take("key")
    one.give_back("key")
