"""The store behind the cache: the embedded Valkey, and a real Redis where one is installed."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from app.cache.embedded import EmbeddedValkey, socket_path
from app.cache.entry import Entry
from app.cache.exact import ExactCache
from app.cache.store import SharedStore
from app.config import CacheConfig
from app.errors import Conflict
from app.retrieval.conditions import Condition
from app.retrieval.embedded_store import EmbeddedStore
from app.retrieval.knowledge import Knowledge, PublishedVersions
from app.retrieval.types import KnowledgeBase
from tests.contract.vector_stores.making import DIMENSIONS, chunks, vector
from tests.unit.cache.dict_store import DictStore
from tests.unit.fake_model import whole_answer


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server is not installed")
    socket = tmp_path / "r.sock"
    process = subprocess.Popen(
        [binary, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 10
    while not socket.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield f"unix://{socket}"
    process.terminate()
    process.wait()


@pytest.fixture(params=["valkey", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SharedStore]:
    server: EmbeddedValkey | None = None
    if request.param == "valkey":
        server = EmbeddedValkey(tmp_path, max_memory_mb=16)
        server.start()
        made = SharedStore.connect(None, socket_path(tmp_path), timeout_ms=2000)
    else:
        made = SharedStore.connect(request.getfixturevalue("redis_url"), tmp_path, timeout_ms=2000)
    yield made
    await made.close()
    if server:
        server.stop()


async def test_gives_back_what_it_was_given(store: SharedStore) -> None:
    assert await store.ping()
    assert await store.get("k") is None
    assert await store.put("k", b"\x00\xff", 60)
    assert await store.get("k") == b"\x00\xff"
    assert await store.put("k", b"other", None)
    assert await store.get("k") == b"other"


async def test_forgets_after_the_time_to_live(store: SharedStore) -> None:
    await store.put("k", b"v", 0.05)
    deadline = time.monotonic() + 5
    while await store.get("k") is not None:
        assert time.monotonic() < deadline


async def test_gives_several_at_once_and_removes_by_name_and_by_beginning(store: SharedStore) -> None:
    for number in range(2500):
        assert await store.put(f"a:{number}", b"%d" % number, 60)
    assert await store.insist("b:0", b"kept")
    assert await store.get_many(["a:7", "nothing", "b:0"]) == [b"7", None, b"kept"]
    assert await store.remove("a:7")
    assert await store.get_many(["a:7", "a:8"]) == [None, b"8"]
    assert await store.remove_all("a:") == 2499
    assert await store.remove_all("a:") == 0
    assert await store.get("b:0") == b"kept"


async def test_a_key_has_one_owner_until_it_is_given_back_or_its_time_is_up(store: SharedStore) -> None:
    assert await store.claim("k", b"me", 60) is None
    assert await store.claim("k", b"you", 60) == b"me"
    assert await store.claim("k", b"me", 0.05) == b"me"  # from now on for that long
    deadline = time.monotonic() + 5
    while (holder := await store.claim("k", b"you", 60)) is not None:
        assert holder == b"me"
        assert time.monotonic() < deadline
    assert await store.release("k", b"me")
    assert await store.get("k") == b"you"
    assert await store.release("k", b"you")
    assert await store.get("k") is None


async def test_one_of_many_gets_it(store: SharedStore) -> None:
    holders = await asyncio.gather(*(store.claim("k", b"%d" % number, 60) for number in range(50)))
    assert holders.count(None) == 1
    assert set(holders) - {None} == {b"%d" % holders.index(None)}


async def test_the_exact_cache_over_it(store: SharedStore) -> None:
    def replica() -> ExactCache:
        return ExactCache(CacheConfig(stale_s=60), store, b"hash key")

    cache, entry = replica(), Entry(whole_answer("chat", {"model": "m"}, "Hello."), ("Hel", "lo."))
    for tenant in ("acme", "other"):
        cache.keep(tenant, "k", entry, alias="before")
    await cache.kept()
    assert cache.counters.stored == 4
    for key in ("k", "before"):
        found = await replica().look_up("acme", key)
        assert found is not None
        assert (found.entry, found.tier, found.key, found.is_stale) == (entry, "store", "k", False)
    [name] = [name async for name in store._client.scan_iter(match="sextant:exact:entry:*:k", count=10)][:1]
    assert 3600 < await store._client.ttl(name) <= 3660  # fresh for an hour, kept for a minute more

    other = replica()
    following = asyncio.create_task(other.follow())
    assert await other.look_up("acme", "k") is not None
    assert await cache.purge("acme") == 2
    purged = time.monotonic()
    while await other.look_up("acme", "k") is not None:
        assert time.monotonic() - purged < 1
        await asyncio.sleep(0.01)
    assert await replica().look_up("acme", "k") is None
    assert await replica().look_up("other", "before") is not None
    assert await cache.purge(None) == 2
    assert await replica().look_up("other", "before") is None
    following.cancel()


async def test_an_embedded_server_keeps_its_data_over_a_restart_and_is_taken_over(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path, 16)
    server.start()
    store = SharedStore.connect(None, socket_path(tmp_path), 2000)
    await store.put("k", b"v", 600)
    second = EmbeddedValkey(tmp_path, 16)
    second.start()  # finds the first one answering
    second.stop()  # and does not end what it did not start
    assert await store.ping()
    server.stop()
    await store.close()
    third = EmbeddedValkey(tmp_path, 16)
    third.start()
    store = SharedStore.connect(None, socket_path(tmp_path), 2000)
    assert await store.get("k") == b"v"
    await store.close()
    third.stop()


@pytest.mark.parametrize("patience_s", [5.0, 0.05])
async def test_a_valkey_that_stalls_gets_no_second_one_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience_s: float
) -> None:
    monkeypatch.setattr("app.cache.embedded.PATIENCE_S", patience_s)
    server, other = (EmbeddedValkey(tmp_path, 16) for _ in range(2))
    server.start()
    first = psutil.Process(int((tmp_path / "valkey" / "valkey.pid").read_text()))
    first.suspend()
    starting = asyncio.create_task(asyncio.to_thread(other.start))
    if patience_s > 1:
        await asyncio.sleep(1.2)  # past the first look
        first.resume()
    await starting

    now = int((tmp_path / "valkey" / "valkey.pid").read_text())
    if patience_s > 1:
        assert now == first.pid
    else:  # it has been given up
        assert now != first.pid
        assert not first.is_running() or first.status() == psutil.STATUS_ZOMBIE
    server.stop()
    other.stop()


async def test_a_path_too_long_for_a_socket_is_replaced(tmp_path: Path) -> None:
    home = tmp_path / ("x" * 100)
    assert len(str(socket_path(home))) < 100
    assert socket_path(home) == socket_path(home) != socket_path(tmp_path / ("y" * 100))


async def test_a_store_that_is_down_answers_at_once_that_it_knows_nothing(tmp_path: Path) -> None:
    store = SharedStore.connect(None, tmp_path / "nobody.sock", timeout_ms=50)
    started = time.monotonic()
    assert await store.get("k") is None
    assert not await store.put("k", b"v", 1)
    assert not await store.ping()
    assert time.monotonic() - started < 1
    assert store.failures == 3
    await store.close()


async def test_a_change_of_the_documents_is_published_before_and_after(tmp_path: Path) -> None:
    shared = DictStore()
    seen: list[str | None] = []
    versions = PublishedVersions(shared, "kb")

    class Watching(EmbeddedStore):
        async def commit(self, tenant: str) -> None:
            seen.append(await versions.knowledge_base(tenant))
            await super().commit(tenant)
            seen.append(await versions.knowledge_base(tenant))

        async def delete(self, tenant: str, documents: Sequence[str]) -> None:
            seen.append(await versions.knowledge_base(tenant))
            await super().delete(tenant, documents)

    async def put(content_hash: str) -> str | None:
        before = await versions.knowledge_base("acme")
        await knowledge.stage("acme", chunks("a.md", 2, content_hash=content_hash), [vector(0), vector(1)])
        assert await versions.knowledge_base("acme") == before  # nobody sees yet what is staged
        await knowledge.commit("acme")
        return await versions.knowledge_base("acme")

    knowledge = Knowledge(Watching(tmp_path, DIMENSIONS), shared, "kb")
    assert await versions.knowledge_base("acme") is None
    first, second = await put("v1"), await put("v2")
    assert seen == [None] * 4  # while a change is under way nothing may be cached
    assert first
    assert second
    assert first != second
    # What is published is what the store itself says, so a restart does not change it.
    assert second == (await knowledge.describe("acme")).version
    await knowledge.delete("acme", ["a.md"])
    assert seen == [None] * 5
    assert await versions.knowledge_base("acme") == (await knowledge.describe("acme")).version != second
    await knowledge.close()


async def test_after_a_change_that_failed_what_is_there_is_published(tmp_path: Path) -> None:
    class Failing(EmbeddedStore):
        async def _delete(self, wanted: Condition) -> None:
            if self._versions["acme"].number == 2:  # readers see the new version already
                raise OSError("disk full")
            await super()._delete(wanted)

    shared = DictStore()
    knowledge = Knowledge(Failing(tmp_path, DIMENSIONS), shared, "kb")
    await knowledge.stage("acme", chunks("a.md", 1), [vector(0)])
    await knowledge.commit("acme")
    before = await PublishedVersions(shared, "kb").knowledge_base("acme")
    await knowledge.stage("acme", chunks("a.md", 1, content_hash="v2"), [vector(0)])
    with pytest.raises(OSError, match="disk full"):
        await knowledge.commit("acme")
    published = await PublishedVersions(shared, "kb").knowledge_base("acme")
    assert published not in (None, before)
    assert published == (await knowledge.describe("acme")).version
    await knowledge.close()


async def test_an_older_state_is_never_published_after_a_newer_one(tmp_path: Path) -> None:
    shared = DictStore()
    versions = PublishedVersions(shared, "kb")
    reading, go_on = asyncio.Event(), asyncio.Event()

    class Slow(EmbeddedStore):
        async def describe(self, tenant: str) -> KnowledgeBase:
            described = await super().describe(tenant)
            if not reading.is_set():
                reading.set()
                await go_on.wait()
            return described

    store = Slow(tmp_path, DIMENSIONS)
    knowledge = Knowledge(store, shared, "kb")
    await knowledge.stage("acme", chunks("a.md", 1), [vector(0)])
    describing = asyncio.create_task(knowledge.describe("acme"))
    await reading.wait()
    changing = asyncio.create_task(knowledge.commit("acme"))
    # The change may finish only after the older state has been told, however long it takes to get there.
    done, _ = await asyncio.wait({changing}, timeout=0.2)
    assert not done
    go_on.set()
    await asyncio.gather(describing, changing)
    assert await versions.knowledge_base("acme") == (await store.describe("acme")).version
    await knowledge.close()


async def test_one_run_at_a_time_changes_a_tenants_documents(tmp_path: Path, store: SharedStore) -> None:
    knowledge = Knowledge(EmbeddedStore(tmp_path / "kb", DIMENSIONS), store, "kb")
    one, vectors = chunks("a.md", 1), [vector(0)]
    await knowledge.stage("acme", one, vectors, "first")
    for other in ("second", ""):
        for call in (
            knowledge.stage("acme", one, vectors, other),
            knowledge.stage_removal("acme", ["a.md"], other),
            knowledge.commit("acme", other),
            knowledge.discard("acme", other),
            knowledge.hold("acme", other),
        ):
            with pytest.raises(Conflict, match="Another run"):
                await call
    assert (await knowledge.describe("acme")).documents == 0
    # Another tenant's are free, and so is deleting at once.
    await knowledge.stage("rival", chunks("a.md", 1, tenant="rival"), vectors, "second")
    await knowledge.delete("acme", ["a.md"])
    assert await knowledge.staged("acme") == {"a.md": "v1"}
    await knowledge.stage("acme", chunks("b.md", 1), vectors, "first")
    await knowledge.commit("acme", "first")
    assert (await knowledge.describe("acme")).documents == 2
    # A run that is over has let go.
    await knowledge.stage("acme", one, vectors, "second")
    await knowledge.discard("acme", "second")
    await knowledge.stage("acme", one, vectors)
    await knowledge.commit("acme")
    await knowledge._store.close()


async def test_a_run_that_fell_silent_is_taken_for_dead(
    tmp_path: Path, store: SharedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.retrieval.knowledge.LEASE_S", 0.05)
    knowledge = Knowledge(EmbeddedStore(tmp_path / "kb", DIMENSIONS), store, "kb")
    await knowledge.stage("acme", chunks("a.md", 1), [vector(0)], "dead")
    deadline = time.monotonic() + 5
    while True:
        try:
            await knowledge.hold("acme", "next")
            break
        except Conflict:
            assert time.monotonic() < deadline
    assert await knowledge.staged("acme") == {"a.md": "v1"}  # it goes on where the dead one was
    await knowledge._store.close()
