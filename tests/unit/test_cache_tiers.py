"""The tiers of the exact cache: bounded, and a store in trouble is a miss in time, never an error."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cache import memory
from app.cache.exact import Entry, ExactCache
from app.cache.memory import MemoryTier
from app.cache.store import SharedStore
from app.config import CacheConfig
from tests.unit.fakes import DictStore, whole_answer

ANSWER = whole_answer("chat", {"model": "m"}, "Hello.")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The memory tier's time, in one cell."""
    now = [1000.0]
    monkeypatch.setattr(memory, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 60)), max_size=60))
def test_memory_never_holds_more_than_its_bound(steps: list[tuple[str, int]]) -> None:
    tier = MemoryTier(max_bytes=200, ttl_s=60)
    for key, size in steps:
        tier.put(key, b"x" * size)
        assert tier.bytes <= 200
        held = [key for key in "abcdef" if tier.get(key) is not None]
        assert tier.bytes == sum(1 + len(tier.get(key) or b"") for key in held)
        assert len(tier) == len(held)


def test_the_least_recently_used_go_first() -> None:
    tier = MemoryTier(max_bytes=100, ttl_s=60)
    for key in "abcdefghij"[:9]:
        tier.put(key, b"x" * 10)
    tier.get("a")

    tier.put("z", b"x" * 10)

    assert tier.get("a") is not None
    assert tier.get("b") is None


def test_a_value_that_would_crowd_out_the_rest_is_not_kept() -> None:
    tier = MemoryTier(max_bytes=100, ttl_s=60)
    tier.put("a", b"x" * 10)
    tier.put("a", b"x" * 11)

    assert tier.get("a") is None  # the old value is no longer true either
    assert tier.bytes == 0


def test_entries_end_with_their_time(clock: list[float]) -> None:
    tier = MemoryTier(max_bytes=1000, ttl_s=60)
    tier.put("a", b"1")
    tier.put("b", b"2", ttl_s=5)

    clock[0] += 6
    assert (tier.get("a"), tier.get("b")) == (b"1", None)
    clock[0] += 60
    assert tier.get("a") is None
    assert tier.bytes == 0


async def test_an_entry_is_found_in_memory_and_by_another_ingress_in_the_store() -> None:
    store = DictStore()
    cache = ExactCache(CacheConfig(), store)
    cache.keep("k", Entry(ANSWER, ("Hel", "lo.")))
    await cache.kept()

    assert await ExactCache(CacheConfig(), store).look_up("k") == Entry(ANSWER, ("Hel", "lo."))
    store.values.clear()
    assert await cache.look_up("k") == Entry(ANSWER, ("Hel", "lo."))
    assert await cache.look_up("other") is None


async def test_an_entry_that_came_from_the_store_does_not_live_longer_than_its_time(clock: list[float]) -> None:
    store = DictStore()
    made_50_s_ago = Entry(ANSWER, made_s=time.time() - 50)
    early = ExactCache(CacheConfig(ttl_s=60), store)
    early.keep("k", made_50_s_ago)
    await early.kept()
    late = ExactCache(CacheConfig(ttl_s=60), store)

    assert await late.look_up("k") == made_50_s_ago
    store.values.clear()  # the store's own time is up
    assert await late.look_up("k") == made_50_s_ago
    clock[0] += 11
    assert await late.look_up("k") is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\x00",
        b"[]",
        b"null",
        b"{}",
        b'{"answer": 5}',
        b'{"answer": {"choices": []}}',
        b'{"answer": {"choices": 5}, "deltas": [], "made_s": 1}',
        b'{"answer": {"choices": ["x"]}, "deltas": [], "made_s": 1}',
        b'{"answer": {"choices": [{}]}, "deltas": null, "made_s": 1}',
        b'{"answer": {"choices": [{}]}, "deltas": [5], "made_s": 1}',
        b'{"answer": {"choices": [{}]}, "deltas": []}',
        orjson.dumps({"answer": ANSWER, "deltas": [], "made_s": 1})[:-9],
    ],
)
async def test_an_entry_that_cannot_be_read_is_a_miss_and_is_replaced(
    raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store = DictStore()
    store.values["sextant:exact:k"] = raw
    cache = ExactCache(CacheConfig(), store)

    assert await cache.look_up("k") is None
    assert "unreadable" in caplog.text

    cache.keep("k", Entry(ANSWER))
    await cache.kept()
    assert await cache.look_up("k") == Entry(ANSWER)


async def test_a_store_that_is_not_there_is_a_miss(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    store = SharedStore.connect(None, tmp_path / "no.sock", timeout_ms=50)

    with caplog.at_level(logging.WARNING):
        assert await store.get("k") is None
        assert await store.put("k", b"v", 60) is False
        assert await store.ping() is False
        for _ in range(20):
            await store.get("k")

    assert store.failures == 23
    assert len(caplog.records) == 5  # 1, 2, 4, 8, 16: it does not flood the log
    await store.close()


@asynccontextmanager
async def slow_server(delay_s: float) -> AsyncIterator[str]:
    """A server that answers every command late, with the number of the command."""
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        while await reader.read(4096):
            count += 1
            await asyncio.sleep(delay_s)
            writer.write(b"$1\r\n%d\r\n" % count)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_a_store_that_is_slow_is_a_miss_within_the_deadline() -> None:
    async with slow_server(delay_s=3) as url:
        store = SharedStore.connect(url, Path("unused"), timeout_ms=50)
        began = time.perf_counter()

        assert await store.get("k") is None
        assert await store.put("k", b"v", 60) is False

        assert time.perf_counter() - began < 0.5
        await store.close()


async def test_a_late_answer_is_never_taken_for_the_answer_to_the_next_question() -> None:
    async with slow_server(delay_s=0.15) as url:
        store = SharedStore.connect(url, Path("unused"), timeout_ms=100)
        assert await store.get("mine") is None
        await asyncio.sleep(0.2)  # by now the late answer lies in the socket of the first connection

        patient = SharedStore(store._client, timeout_ms=2000)

        assert await patient.get("yours") not in (b"1", b"2", b"3")
        await store.close()
