"""Purges: nothing that was kept before is found after, on no replica, whatever was under way."""

import asyncio
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cache import exact
from app.cache.entry import Entry
from app.cache.exact import ExactCache
from app.cache.purges import Purges, token_name
from app.config import CacheConfig
from app.errors import Unavailable
from tests.unit.cache.dict_store import DictStore
from tests.unit.fake_model import whole_answer

ENTRY = Entry(whole_answer("chat", {"model": "m"}, "Hello."))


class SlowStore(DictStore):
    """Holds writes, or the answers to reads, back until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.writing, self.reading = asyncio.Event(), asyncio.Event()
        self.writing.set()
        self.reading.set()
        self.is_down = False

    async def put(self, key: str, value: bytes, ttl_s: float | None) -> bool:
        await self.writing.wait()
        return await super().put(key, value, ttl_s)

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None] | None:
        values = await super().get_many(keys)
        await self.reading.wait()
        return values

    async def insist(self, key: str, value: bytes) -> bool:
        return not self.is_down and await DictStore.put(self, key, value, None)


def replica(store: DictStore) -> ExactCache:
    return ExactCache(CacheConfig(), store, b"hash key")


async def is_found(cache: ExactCache, tenant: str = "acme", key: str = "k") -> bool:
    return await cache.look_up(tenant, key) is not None


async def keep(cache: ExactCache, *tenants: str) -> None:
    for tenant in tenants:
        cache.keep(tenant, "k", ENTRY)
    await cache.kept()


async def test_a_tenants_purge_takes_that_tenants_entries_and_no_others() -> None:
    store = DictStore()
    cache = replica(store)
    await keep(cache, "acme", "other")

    assert await cache.purge("acme") == 1

    assert not await is_found(cache)
    assert not await is_found(replica(store))
    assert await is_found(cache, "other")
    assert await is_found(replica(store), "other")
    assert await cache.purge("acme") == 0
    assert await cache.purge("nobody") == 0


async def test_a_purge_of_all_takes_all_entries_and_nothing_else_in_the_store() -> None:
    store = DictStore()
    store.values["sextant:kb:version"] = b"7"
    cache = replica(store)
    await keep(cache, "acme", "other")

    assert await cache.purge(None) == 2

    assert not await is_found(cache)
    assert not await is_found(replica(store), "other")
    assert cache.counters.entries == 0
    assert store.values["sextant:kb:version"] == b"7"


@pytest.mark.parametrize("tenant", ["acme", None])
async def test_after_a_purge_new_answers_are_kept_and_found_everywhere(tenant: str | None) -> None:
    store = DictStore()
    cache, other = replica(store), replica(store)
    await keep(cache, "acme")
    assert await is_found(other)
    for _ in range(3):
        await cache.purge(tenant)
        assert not await is_found(cache)
        await keep(cache, "acme")
        assert await is_found(replica(store))
        assert await is_found(cache)


@pytest.mark.parametrize("tenant", ["acme", None])
async def test_other_replicas_learn_of_a_purge_by_themselves(
    tenant: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact, "FOLLOW_S", 0.01)
    monkeypatch.setattr(exact, "FOLLOW_AT_ONCE", 2)
    store = DictStore()
    cache, other = replica(store), replica(store)
    await keep(cache, "acme", "a", "b", "c", "d")
    for whose in ("d", "c", "b", "a", "acme"):
        assert await is_found(other, whose)
    following = asyncio.create_task(other.follow())

    await cache.purge(tenant)

    deadline = time.monotonic() + 5
    while await is_found(other):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
    assert await is_found(other, "d") is (tenant is not None)
    following.cancel()


def test_a_second_is_enough_to_learn_it() -> None:
    assert exact.FOLLOW_S + CacheConfig().timeout_ms / 1000 < 1


@pytest.mark.parametrize("tenant", ["acme", None])
async def test_a_write_under_way_comes_too_late(tenant: str | None) -> None:
    store = SlowStore()
    cache = replica(store)
    store.writing.clear()
    cache.keep("acme", "k", ENTRY)

    await cache.purge(tenant)
    store.writing.set()
    await cache.kept()

    assert store.values  # it was written
    for each in (cache, replica(store)):
        assert not await is_found(each)


async def test_a_replica_that_has_not_heard_yet_writes_in_vain() -> None:
    store = DictStore()
    cache, other = replica(store), replica(store)
    await keep(other, "acme")
    await cache.purge("acme")
    await keep(other, "acme")
    assert not await is_found(cache)
    assert not await is_found(replica(store))

    assert await is_found(other)  # for as long as it does not ask the store about that tenant
    assert not await is_found(other, key="another")
    assert not await is_found(other)


async def test_a_read_under_way_brings_nothing_back() -> None:
    store = SlowStore()
    cache, writer = replica(store), replica(store)
    await keep(writer, "acme")
    store.reading.clear()
    reading = asyncio.create_task(is_found(cache))
    await asyncio.sleep(0)

    await cache.purge("acme")  # the read has its answer, from before, on the way
    store.reading.set()

    assert await reading is False
    assert not await is_found(cache)
    assert cache.counters.entries == 0


async def test_a_store_that_cannot_be_told_is_an_error_and_this_process_forgets_all_the_same() -> None:
    store = SlowStore()
    cache = replica(store)
    await keep(cache, "acme")
    store.is_down = True

    with pytest.raises(Unavailable, match="not purged"):
        await cache.purge("acme")

    assert cache.counters.entries == 0


@given(st.lists(st.tuples(st.sampled_from([None, "a", "b"]), st.binary(max_size=1)), max_size=20))
def test_the_epoch_changes_for_those_it_concerns(steps: list[tuple[str | None, bytes]]) -> None:
    purges, tokens = Purges(), dict[str | None, bytes]()
    for owner, token in steps:
        before = {whose: purges.epoch(whose) for whose in "ab"}
        changed = purges.learn([(token_name(owner), token or None)], purges.changes)
        assert changed == ({owner} if tokens.get(owner, b"") != token else set())
        tokens[owner] = token
        for whose in "ab":
            concerned = bool(changed & {whose, None})
            assert (purges.epoch(whose) != before[whose]) is concerned


def test_what_was_read_before_another_change_changes_nothing() -> None:
    purges = Purges()
    since = purges.changes
    assert purges.learn([(token_name("a"), b"2")], since) == {"a"}
    assert purges.learn([(token_name("a"), None)], since) == set()  # the older answer, overtaken
    assert purges.epoch("a") == ".32"
    assert purges.learn([(token_name("a"), None)], purges.changes) == {"a"}  # the store has lost it
