"""A tenant's error rate: shared, kept, and what happens without the store."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from valkey.asyncio import Valkey

from app.cache.embedded import EmbeddedValkey, socket_path
from app.cache.semantic.tally import HOUR_MS, REFRESH_MS, Tally

NOW = 500_000 * HOUR_MS


class Clock:
    def __init__(self) -> None:
        self.ms = NOW

    def __call__(self) -> int:
        return self.ms


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("v")
    server = EmbeddedValkey(home, max_memory_mb=16)
    server.start()
    yield home
    server.stop()


@pytest.fixture
async def client(home: Path) -> AsyncIterator[Valkey]:
    made = Valkey(unix_socket_path=str(socket_path(home)))
    await made.flushall()
    yield made
    await made.aclose()


def tally(client: Valkey | None, clock: Clock | None = None, **of: float) -> Tally:
    settings = {"max_error_rate": 0.05, "min_judged": 20, "window_h": 3, "timeout_s": 1.0, **of}
    return Tally(client, clock=clock or Clock(), **settings)  # type: ignore[arg-type]


async def judge(into: Tally, right: int, wrong: int, tenant: str = "acme") -> None:
    for _ in range(right):
        await into.add(tenant, wrong=False)
    for _ in range(wrong):
        await into.add(tenant, wrong=True)


async def test_replicas_share_the_counts_and_a_restart_keeps_them(client: Valkey) -> None:
    clock = Clock()
    one, other = tally(client, clock), tally(client, clock)
    await judge(one, 20, 10)
    await judge(other, 10, 5)
    assert (other.rate("acme").judged, other.rate("acme").wrong) == (45, 15)
    restarted = tally(client, clock)
    assert await restarted.is_past_bound("acme")
    assert restarted.rate("acme").wrong == 15


async def test_a_replica_learns_of_the_others_by_itself(client: Valkey) -> None:
    clock = Clock()
    one, other = tally(client, clock), tally(client, clock)
    assert not await other.is_past_bound("acme")
    await judge(one, 20, 20)
    assert not await other.is_past_bound("acme")  # as last known
    clock.ms += REFRESH_MS + 1
    await other.is_past_bound("acme")
    await asyncio.gather(*other._reading)
    assert await other.is_past_bound("acme")


async def test_tenants_are_counted_apart(client: Valkey) -> None:
    one = tally(client)
    await judge(one, 0, 30, tenant="acme")
    assert await one.is_past_bound("acme")
    assert not await one.is_past_bound("rival")
    assert await tally(client).is_past_bound("acme")


async def test_a_tenant_comes_back_when_the_window_has_passed(client: Valkey) -> None:
    clock = Clock()
    one = tally(client, clock)
    await judge(one, 0, 30)
    clock.ms += 2 * HOUR_MS
    assert await one.is_past_bound("acme")
    clock.ms += HOUR_MS
    assert not await one.is_past_bound("acme")


async def test_a_tenant_comes_back_on_new_evidence(client: Valkey) -> None:
    one = tally(client)
    await judge(one, 20, 8)
    assert await one.is_past_bound("acme")
    await judge(one, 100, 0)
    assert not await one.is_past_bound("acme")


async def test_few_or_chance_errors_stop_nobody(client: Valkey) -> None:
    one = tally(client)
    await judge(one, 0, 19)
    assert not await one.is_past_bound("acme")  # fewer than min_judged
    other = tally(client)
    await judge(other, 94, 6, tenant="rival")  # 6% measured, but well within what 5% gives
    assert not await other.is_past_bound("rival")


async def test_without_a_store_the_process_counts_for_itself() -> None:
    one = tally(None)
    await judge(one, 0, 30)
    assert await one.is_past_bound("acme")


async def test_what_was_counted_while_the_store_was_down_is_handed_over(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path, max_memory_mb=16)
    client = Valkey(unix_socket_path=str(socket_path(tmp_path)))
    one = tally(client)
    await judge(one, 5, 25)
    assert await one.is_past_bound("acme")
    server.start()
    try:
        await one.add("acme", wrong=True)
        assert (one.rate("acme").judged, one.rate("acme").wrong) == (31, 26)
        assert await tally(client).is_past_bound("acme")
    finally:
        await client.aclose()
        server.stop()


@asynccontextmanager
async def stalled(path: Path) -> AsyncIterator[Valkey]:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(hold, str(path))
    client = Valkey(unix_socket_path=str(path))
    yield client
    await client.aclose()
    server.close()


async def test_a_store_that_stalls_costs_its_deadline_and_no_count(tmp_path: Path) -> None:
    async with stalled(tmp_path / "s") as client:
        one = tally(client, timeout_s=0.05)
        started = time.monotonic()
        assert not await one.is_past_bound("acme")
        assert time.monotonic() - started < 1
        await judge(one, 0, 2)
        assert one.rate("acme").judged == 2
        started = time.monotonic()
        await one.is_past_bound("acme")
        assert time.monotonic() - started < 0.03  # looked up once; later only beside
