"""The tiers of the exact cache: what is kept is found, in its time, by its tenant, and nothing else is."""

import asyncio
import gc
import time

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cache import exact, memory
from app.cache.entry import Entry
from app.cache.exact import ExactCache, Found
from app.cache.memory import OVERHEAD_BYTES, MemoryTier
from app.config import CacheConfig
from tests.unit.cache.dict_store import DictStore
from tests.unit.fake_model import whole_answer

ANSWER = whole_answer("chat", {"model": "m"}, "Hello.")
KEY = b"hash key"
ROOM = OVERHEAD_BYTES + 11  # for a key of one letter and ten bytes


def exact_cache(store: DictStore, **settings: float) -> ExactCache:
    return ExactCache(CacheConfig.model_validate(settings), store, KEY)


async def entry_of(cache: ExactCache, key: str, tenant: str = "acme") -> Entry | None:
    found = await cache.look_up(tenant, key)
    return found.entry if found else None


class Clock:
    """Stands in for the module `time`; goes on when `passed_s` does."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self._began = time.time()

    def monotonic(self) -> float:
        return 1000 + self.passed_s

    def time(self) -> float:
        return self._began + self.passed_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The tiers' time."""
    made = Clock()
    monkeypatch.setattr(memory, "time", made)
    monkeypatch.setattr(exact, "time", made)
    return made


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 60)), max_size=60))
def test_memory_never_holds_more_than_its_bound(steps: list[tuple[str, int]]) -> None:
    bound = 10 * (OVERHEAD_BYTES + 41)
    tier = MemoryTier(max_bytes=bound // 3)
    for key, size in steps:
        tier.put(key.upper(), key, b"x" * size, ttl_s=60)
        assert tier.bytes <= bound
        held = [key for key in "abcdef" if tier.get(key) is not None]
        assert tier.bytes == sum(OVERHEAD_BYTES + 1 + len(tier.get(key) or b"") for key in held)
        assert len(tier) == len(held)
        assert {group.lower() for group in tier.groups} == set(held)


def test_the_least_recently_used_go_first() -> None:
    tier = MemoryTier(max_bytes=10 * ROOM)
    for key in "abcdefghij":
        tier.put("g", key, b"x" * 10, ttl_s=60)
    tier.get("a")

    tier.put("g", "z", b"x" * 10, ttl_s=60)

    assert tier.get("a") is not None
    assert tier.get("b") is None


def test_a_value_that_would_crowd_out_the_rest_is_not_kept() -> None:
    tier = MemoryTier(max_bytes=10 * ROOM)
    tier.put("g", "a", b"x" * 10, ttl_s=60)
    tier.put("g", "a", b"x" * 11, ttl_s=60)

    assert tier.get("a") is None  # the old value is no longer true either
    assert tier.bytes == 0


def test_a_group_is_forgotten_as_one() -> None:
    tier = MemoryTier(max_bytes=100 * ROOM)
    for key in "abc":
        tier.put("g", key, b"1", ttl_s=60)
    tier.put("h", "d", b"1", ttl_s=60)

    tier.drop_group("g")
    tier.drop_group("nobody")

    assert [tier.get(key) for key in "abcd"] == [None, None, None, b"1"]
    assert (len(tier), list(tier.groups)) == (1, ["h"])


def test_values_end_with_their_time(clock: Clock) -> None:
    tier = MemoryTier(max_bytes=100 * ROOM)
    tier.put("g", "a", b"1", ttl_s=60)
    tier.put("g", "b", b"2", ttl_s=5)

    clock.passed_s += 6
    assert (tier.get("a"), tier.get("b")) == (b"1", None)
    clock.passed_s += 60
    assert tier.get("a") is None
    assert tier.bytes == 0


async def test_an_entry_is_found_in_memory_and_by_another_ingress_in_the_store() -> None:
    store = DictStore()
    cache, other = exact_cache(store), exact_cache(store)
    entry = Entry(ANSWER, ("Hel", "lo."))
    cache.keep("acme", "k", entry)
    await cache.kept()

    found = await other.look_up("acme", "k")
    assert found == Found(entry, "store", found.age_s if found else 0, False, "k")
    store.values.clear()
    for each in (cache, other):
        here = await each.look_up("acme", "k")
        assert here is not None
        assert (here.entry, here.tier) == (entry, "memory")
    assert await cache.look_up("acme", "other") is None

    counters = other.counters
    assert (counters.memory_hits, counters.store_hits, counters.misses, counters.entries) == (0, 0, 0, 1)
    assert (cache.counters.stored, cache.counters.dropped) == (1, 0)
    assert cache.counters.bytes > len(ANSWER)


class Nowhere(DictStore):
    """Takes everything and keeps nothing."""

    async def put(self, key: str, value: bytes, ttl_s: float | None) -> bool:
        return True


async def test_the_process_needs_no_more_memory_than_is_counted() -> None:
    cache = exact_cache(Nowhere(), memory_mb=64)
    answer = whole_answer("chat", {"model": "m"}, "Hello. " * 70)
    gc.collect()
    before = psutil.Process().memory_info().rss
    for number in range(20_000):
        cache.keep("acme", f"{number:064x}", Entry(answer))
        if number % 1000 == 0:
            await cache.kept()
    await cache.kept()
    gc.collect()

    assert cache.counters.entries == 20_000
    assert psutil.Process().memory_info().rss - before < 2 * cache.counters.bytes


async def test_what_a_caller_does_to_an_entry_nobody_else_sees() -> None:
    cache = exact_cache(DictStore())
    kept = Entry(whole_answer("chat", {"model": "m"}, "Hello."))
    cache.keep("acme", "k", kept)
    kept.answer["choices"][0]["message"]["content"] = "changed after it was kept"
    found = await cache.look_up("acme", "k")
    assert found is not None
    found.entry.answer["choices"][0]["message"]["content"] = "changed after it was found"

    assert await entry_of(cache, "k") == Entry(ANSWER)


async def test_two_tenants_never_find_each_others_entries() -> None:
    store = DictStore()
    cache = exact_cache(store)
    cache.keep("acme", "k", Entry(ANSWER))
    await cache.kept()

    for tenant in ("other", "", "acme:k", "ACME"):
        assert await cache.look_up(tenant, "k") is None
        assert await exact_cache(store).look_up(tenant, "k") is None
    assert "acme" not in store.text


async def test_who_holds_a_stale_answer_finds_the_new_one_that_another_process_made(clock: Clock) -> None:
    store = DictStore()
    mine, theirs = (exact_cache(store, ttl_s=60, stale_s=30) for _ in range(2))
    mine.keep("acme", "k", Entry(ANSWER, made_s=clock.time()))
    clock.passed_s = 61
    theirs.keep("acme", "k", Entry({**ANSWER, "id": "new"}, made_s=clock.time()))
    await theirs.kept()

    found = await mine.look_up("acme", "k")
    assert found is not None
    assert (found.entry.answer["id"], found.is_stale, found.tier) == ("new", False, "store")
    again = await mine.look_up("acme", "k")
    assert again is not None
    assert again.tier == "memory"


async def test_who_wants_it_younger_finds_the_newer_one_of_another_process(clock: Clock) -> None:
    store = DictStore()
    mine, theirs = (exact_cache(store, ttl_s=60) for _ in range(2))
    mine.keep("acme", "k", Entry(ANSWER, made_s=clock.time()))
    clock.passed_s = 30
    theirs.keep("acme", "k", Entry({**ANSWER, "id": "new"}, made_s=clock.time()))
    await theirs.kept()

    for max_age_s, id_ in ((40, ANSWER["id"]), (20, "new"), (None, "new")):
        found = await mine.look_up("acme", "k", max_age_s)
        assert found is not None
        assert found.entry.answer["id"] == id_


async def test_an_entry_is_fresh_then_stale_then_gone(clock: Clock) -> None:
    store = DictStore()
    cache = exact_cache(store, ttl_s=60, stale_s=30)
    cache.keep("acme", "k", Entry(ANSWER, made_s=clock.time()))
    cache.keep("acme", "short", Entry(ANSWER, made_s=clock.time()), ttl_s=10)
    cache.keep("acme", "long", Entry(ANSWER, made_s=clock.time()), ttl_s=6000)  # at most as configured
    await cache.kept()

    async def state(key: str) -> str:
        seen = set()
        for each in (cache, exact_cache(store, ttl_s=60, stale_s=30)):  # by memory, and by what the store gives
            found = await each.look_up("acme", key)
            seen.add("gone" if found is None else "stale" if found.is_stale else "fresh")
            assert found is None or found.age_s == pytest.approx(clock.passed_s)
        return "/".join(seen)

    keys = ("k", "short", "long")
    assert [await state(key) for key in keys] == ["fresh", "fresh", "fresh"]
    clock.passed_s = 11
    assert [await state(key) for key in keys] == ["fresh", "stale", "fresh"]
    clock.passed_s = 61
    assert [await state(key) for key in keys] == ["stale", "gone", "stale"]
    clock.passed_s = 91
    assert [await state(key) for key in keys] == ["gone", "gone", "gone"]


async def test_an_entry_that_came_from_the_store_does_not_live_longer_than_its_time(clock: Clock) -> None:
    store = DictStore()
    early, late = exact_cache(store, ttl_s=60), exact_cache(store, ttl_s=60)
    early.keep("acme", "k", Entry(ANSWER, made_s=clock.time() - 50))
    await early.kept()

    assert await entry_of(late, "k") == Entry(ANSWER)
    clock.passed_s += 11
    assert await entry_of(late, "k") is None


async def test_what_was_too_old_before_it_was_kept_is_not_kept() -> None:
    store = DictStore()
    cache = exact_cache(store, ttl_s=60)
    cache.keep("acme", "k", Entry(ANSWER, made_s=time.time() - 61))
    await cache.kept()

    assert (store.values, await cache.look_up("acme", "k")) == ({}, None)


async def test_clocks_that_differ_let_nothing_live_longer(clock: Clock) -> None:
    store = DictStore()
    cache = exact_cache(store, ttl_s=60)
    cache.keep("acme", "k", Entry(ANSWER, made_s=clock.time() + 1000))
    found = await cache.look_up("acme", "k")
    assert found is not None
    assert (found.age_s, found.is_stale) == (0, False)
    clock.passed_s += 61
    assert await cache.look_up("acme", "k") is None  # in memory; the store has its own time to live


async def test_a_second_key_leads_to_the_same_entry_in_every_process() -> None:
    store = DictStore()
    cache = exact_cache(store)
    cache.keep("acme", "k", Entry(ANSWER), alias="before")
    await cache.kept()

    for each in (cache, exact_cache(store)):
        found = await each.look_up("acme", "before")
        assert found is not None
        assert (found.entry, found.key) == (Entry(ANSWER), "k")
        assert await each.look_up("other", "before") is None


async def test_a_second_key_leads_nowhere_once_its_entry_is_gone() -> None:
    store = DictStore()
    cache = exact_cache(store)
    cache.keep("acme", "k", Entry(ANSWER), alias="before")
    await cache.kept()
    del store.values[next(name for name in store.values if name.endswith(":k"))]

    assert await exact_cache(store).look_up("acme", "before") is None


async def test_keys_that_lead_to_keys_are_not_followed() -> None:
    cache = exact_cache(DictStore())
    cache.keep("acme", "b", Entry(ANSWER), alias="a")
    cache.keep("acme", "c", Entry(ANSWER), alias="b")

    assert await cache.look_up("acme", "a") is None
    assert await entry_of(cache, "b") == Entry(ANSWER)


async def test_a_key_that_leads_to_itself_is_an_entry() -> None:
    cache = exact_cache(DictStore())
    cache.keep("acme", "k", Entry(ANSWER), alias="k")
    assert await entry_of(cache, "k") == Entry(ANSWER)


async def test_a_hundred_processes_write_the_same_at_once() -> None:
    store = DictStore()
    caches = [exact_cache(store) for _ in range(100)]
    for cache in caches:
        cache.keep("acme", "k", Entry(ANSWER))
    await asyncio.gather(*(cache.kept() for cache in caches))
    assert [await entry_of(cache, "k") for cache in caches] == [Entry(ANSWER)] * 100
    assert len(store.values) == 1
