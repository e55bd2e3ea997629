"""A deadline beside a loop that is busy: what has come in by then still counts."""

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvloop

from app.attentive import attentive
from deployments.handles import directly

TIMEOUT_S, BUSY_S = 0.05, 0.15


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    one.setblocking(False)
    yield one, other
    one.close()
    other.close()


async def one_byte(end: socket.socket) -> bytes:
    reader, writer = await asyncio.open_connection(sock=end)
    try:
        return await reader.read(1)
    finally:
        writer.close()


async def read(end: socket.socket) -> bytes:
    async with attentive(TIMEOUT_S):
        return await one_byte(end)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_an_answer_that_came_while_the_loop_was_busy_is_read(
    ends: tuple[socket.socket, socket.socket], run: object
) -> None:
    async def busy() -> bytes:
        reading = asyncio.ensure_future(read(ends[0]))
        for _ in range(3):
            await asyncio.sleep(0)
        ends[1].send(b"x")
        time.sleep(BUSY_S)  # noqa: ASYNC251 - a loop that does not look is what this is about
        return await reading

    assert callable(run)
    assert run(busy()) == b"x"


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_silence_ends_at_the_deadline(ends: tuple[socket.socket, socket.socket], run: object) -> None:
    async def silent() -> float:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            await read(ends[0])
        return time.monotonic() - began

    assert callable(run)
    assert TIMEOUT_S - 0.005 <= run(silent()) < 4 * TIMEOUT_S


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_it_is_put_off_once(ends: tuple[socket.socket, socket.socket], run: object) -> None:
    async def busy() -> float:
        reading = asyncio.ensure_future(read(ends[0]))
        await asyncio.sleep(0)
        began = time.monotonic()
        time.sleep(BUSY_S)  # noqa: ASYNC251 - as above
        with pytest.raises(TimeoutError):
            await reading
        return time.monotonic() - began

    assert callable(run)
    assert BUSY_S + TIMEOUT_S - 0.005 <= run(busy()) < BUSY_S + 4 * TIMEOUT_S


async def test_without_a_deadline_it_waits() -> None:
    async with attentive(None):
        await asyncio.sleep(TIMEOUT_S)


async def test_a_call_past_serve_is_answered_though_the_loop_came_late(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    class Direct:
        async def call(self, method: str, *arguments: object) -> bytes:
            return await one_byte(ends[0])

    def ask() -> Any:
        return directly(Direct(), None, "find", name="cache", timeout_s=TIMEOUT_S)  # type: ignore[arg-type]  # it stands in for a DirectClient

    asking = asyncio.ensure_future(ask())
    for _ in range(3):
        await asyncio.sleep(0)
    ends[1].send(b"x")
    time.sleep(BUSY_S)  # noqa: ASYNC251 - a loop that does not look is what this is about
    assert await asking == b"x"
