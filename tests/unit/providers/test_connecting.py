"""Connecting in time: what `connect_timeout_s` bounds, what it does not, and which error it is."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from app.errors import UpstreamFailed
from tests.provider_double import ProviderDouble
from tests.unit.providers.ports import chat, port_to

TIMEOUT_S = 0.2


@contextmanager
def full_backlog() -> Iterator[str]:
    """The host and port of a socket that nobody accepts from: whoever connects is left waiting."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            waiting.append(filler)
        yield f"127.0.0.1:{address[1]}"
        for filler in waiting:
            filler.close()


@asynccontextmanager
async def mute() -> AsyncIterator[str]:
    """The host and port of a server that accepts and never says anything."""
    writers = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for writer in writers:
            writer.close()


async def assert_not_in_time(url: str, **settings: Any) -> None:
    started = time.monotonic()
    async with port_to(url, connect_timeout_s=TIMEOUT_S, **settings) as port, asyncio.timeout(5):
        with pytest.raises(UpstreamFailed, match="cannot be reached in time"):
            await port.complete("chat", chat(), "r1")
        assert not await port.ping()
    assert TIMEOUT_S * 0.9 <= time.monotonic() - started < 2


async def test_a_host_that_does_not_accept_was_never_reached() -> None:
    with full_backlog() as host:
        await assert_not_in_time(f"http://{host}")


@pytest.mark.parametrize("http2", [True, False])
async def test_tls_is_part_of_connecting(http2: bool) -> None:
    async with mute() as host:
        await assert_not_in_time(f"https://{host}", http2=http2)


async def test_a_proxys_consent_is_part_of_connecting() -> None:
    async with mute() as host:
        await assert_not_in_time("https://provider.invalid", proxy_url=f"http://{host}")


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_looking_up_the_name_is_part_of_connecting(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*asked: Any, **options: Any) -> Any:
        await asyncio.Future()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    await assert_not_in_time(f"{scheme}://provider.example")


async def test_waiting_for_a_free_connection_is_not(double: ProviderDouble) -> None:
    double.fail("slow_first_token", delay_s=TIMEOUT_S * 2)
    async with port_to(double.url, connect_timeout_s=TIMEOUT_S, max_connections=1) as port:
        answers = await asyncio.gather(*(port.complete("chat", chat(), "r1") for _ in range(2)))
    assert len(answers) == 2
    assert double.seen.connections == 1
