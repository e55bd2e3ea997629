"""A store that is down, slow or ill is a miss within the deadline, never an error, and never another's answer."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.cache import store as store_module
from app.cache.embedded import EmbeddedValkey, socket_path
from app.cache.entry import Entry
from app.cache.exact import ExactCache
from app.cache.store import FAILURES_IN_A_ROW, MAX_CONNECTIONS, PATIENT, SharedStore
from app.config import CacheConfig
from tests.unit.fake_model import whole_answer

ENTRY = Entry(whole_answer("chat", {"model": "m"}, "Hello."))


class Server:
    """Speaks just enough of the protocol: answers each GET with the key that was asked for, late if it is to.

    `is_stalled`: reads, and never answers.
    """

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.is_stalled = False
        self.connections = 0
        self.asked = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while line := await reader.readline():
                words = []
                for _ in range(int(line[1:])):
                    size = int((await reader.readline())[1:])
                    words.append((await reader.readexactly(size + 2))[:size])
                self.asked.set()
                await asyncio.sleep(self.delay_s)
                if not self.is_stalled:
                    writer.write(b"$%d\r\n%b\r\n" % (len(words[-1]), words[-1]))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def store(self, timeout_ms: float) -> AsyncIterator[SharedStore]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        store = SharedStore.connect(url, Path("unused"), timeout_ms)
        try:
            yield store
        finally:
            await store.close()
            server.close()


async def took_s(call: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await call()
    return time.perf_counter() - began


async def test_a_store_that_is_not_there_is_a_miss(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    store = SharedStore.connect(None, tmp_path / "no.sock", timeout_ms=50)
    with caplog.at_level(logging.WARNING):
        for _ in range(20):  # the check of the store's health asks each time
            assert await store.ping() is False
    assert await store.get("k") is None
    assert await store.get_many(["k"]) is None
    assert await store.put("k", b"v", 60) is False
    assert await store.claim("k", b"me", 60) is None
    assert await store.release("k", b"me") is False
    assert await store.remove("k") is False
    assert await store.insist("k", b"v") is False
    assert await store.remove_all("k") is None
    assert len(caplog.records) == 5  # 1, 2, 4, 8, 16: it does not flood the log
    await store.close()


async def test_a_cache_over_a_store_that_is_not_there_still_answers_from_memory(tmp_path: Path) -> None:
    store = SharedStore.connect(None, tmp_path / "no.sock", timeout_ms=50)
    cache = ExactCache(CacheConfig(), store, b"hash key")
    assert await cache.look_up("acme", "k") is None
    cache.keep("acme", "k", ENTRY)
    await cache.kept()

    found = await cache.look_up("acme", "k")

    assert found is not None
    assert found.tier == "memory"
    assert (cache.counters.store_failures, cache.counters.stored) == (2, 0)
    await store.close()


async def test_a_store_that_never_answers_is_a_miss_within_the_deadline_and_then_left_alone() -> None:
    server = Server()
    server.is_stalled = True
    async with server.store(timeout_ms=50) as store:
        cache = ExactCache(CacheConfig(), store, b"hash key")
        for number in range(FAILURES_IN_A_ROW):
            took = await took_s(lambda: cache.look_up("acme", "k"))
            assert 0.04 < took < 0.5, number
        connections = server.connections
        assert await asyncio.gather(*(cache.look_up("acme", "k") for _ in range(100))) == [None] * 100
        assert server.connections == connections  # nobody has asked, so nobody has waited


async def test_after_a_while_one_call_tries_the_store_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "PAUSE_S", 0.4)
    server = Server()
    server.is_stalled = True
    async with server.store(timeout_ms=250) as store:  # enough for a hundred answers on a busy machine
        for _ in range(FAILURES_IN_A_ROW):
            assert await store.get("k") is None
        await asyncio.sleep(0.41)
        connections = server.connections
        assert await asyncio.gather(*(store.get("k") for _ in range(100))) == [None] * 100
        assert server.connections == connections + 1
        assert store.failures == FAILURES_IN_A_ROW + 1

        server.is_stalled = False
        assert await store.get("k") is None  # left alone still
        await asyncio.sleep(0.41)
        assert await store.get("k") == b"k"
        assert await asyncio.gather(*(store.get("k") for _ in range(100))) == [b"k"] * 100


async def test_a_burst_of_calls_is_no_burst_of_connections() -> None:
    server = Server()
    async with server.store(timeout_ms=5000) as store:
        keys = [f"k{number}" for number in range(500)]
        assert await asyncio.gather(*map(store.get, keys)) == [key.encode() for key in keys]
        assert server.connections <= MAX_CONNECTIONS


async def test_a_late_answer_is_never_taken_for_the_answer_to_the_next_question() -> None:
    server = Server()
    server.delay_s = 0.1
    async with server.store(timeout_ms=60) as store:
        assert await store.get("mine") is None
        server.delay_s = 0
        await asyncio.sleep(0.1)  # by now the late answer is there
        for key in ("yours", "theirs"):
            assert await store.get(key) == key.encode()


async def test_a_claim_may_take_longer_unless_the_store_is_in_trouble() -> None:
    server = Server()
    server.delay_s = 0.12
    async with server.store(timeout_ms=60) as store:
        assert await store.claim("k", b"me", 1) is not None
        assert await store.get("k") is None
        assert await took_s(lambda: store.claim("k", b"me", 1)) < 0.06 * PATIENT
        assert store.failures == 2


async def test_a_client_that_leaves_in_the_middle_leaves_no_answer_behind() -> None:
    server = Server()
    async with server.store(timeout_ms=5000) as store:
        assert await store.get("first") == b"first"  # a connection that works
        for round_number in range(20):
            server.asked.clear()
            server.delay_s = 0.01
            leaving = [asyncio.create_task(store.get(f"mine {round_number} {number}")) for number in range(5)]
            await server.asked.wait()
            await asyncio.sleep(0.001 * round_number)  # before, while, and after the answers come
            for task in leaving:
                task.cancel()
            left = await asyncio.gather(*leaving, return_exceptions=True)
            server.delay_s = 0
            keys = [f"yours {round_number} {number}" for number in range(8)]
            assert await asyncio.gather(*map(store.get, keys)) == [key.encode() for key in keys]
            assert all(isinstance(one, asyncio.CancelledError) or one.startswith(b"mine") for one in left)  # type: ignore[union-attr]
        assert store.failures == 0  # nobody's fault


async def test_a_server_that_is_killed_is_a_miss_and_found_again_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "PAUSE_S", 0.05)
    server = EmbeddedValkey(tmp_path, 16)
    server.start()
    store = SharedStore.connect(None, socket_path(tmp_path), 500)
    cache = ExactCache(CacheConfig(), store, b"hash key")
    cache.keep("acme", "k", ENTRY)
    await cache.kept()
    assert cache.counters.stored == 1
    assert server._process is not None
    server._process.kill()
    server._process.wait()

    other = ExactCache(CacheConfig(), store, b"hash key")
    for _ in range(10):
        assert await other.look_up("acme", "k") is None
    assert await cache.look_up("acme", "k") is not None  # from memory

    again = EmbeddedValkey(tmp_path, 16)
    again.start()
    deadline = time.monotonic() + 5
    while not await store.put("k", b"v", 5):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    other.keep("acme", "k2", ENTRY)
    await other.kept()
    assert other.counters.stored == 1
    await store.close()
    again.stop()


async def test_a_store_that_refuses_is_a_miss_and_is_not_left_alone(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path, 16)
    server.start()
    store = SharedStore.connect(None, socket_path(tmp_path), 2000)
    await store._client.lpush("k", "a list")  # type: ignore[misc]
    for _ in range(FAILURES_IN_A_ROW + 1):
        assert await store.get("k") is None
    assert store.failures == FAILURES_IN_A_ROW + 1
    assert await store.put("other", b"v", 60)
    assert await store.get("other") == b"v"
    await store.close()
    server.stop()
