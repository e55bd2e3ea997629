"""Calls over a Unix socket: what they give, what they raise, and what happens when an end goes."""

import asyncio
import os
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from app.direct_calls import MAX_FRAME_BYTES, DirectClient, DirectServer, NotReached, direct_path
from app.errors import InternalError, InvalidRequest, Overloaded


@pytest.fixture(scope="module", params=[asyncio.DefaultEventLoopPolicy, uvloop.EventLoopPolicy])
def event_loop_policy(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoopPolicy:
    """Serve's replicas run on uvloop, whose transports and sockets are not asyncio's."""
    policy: asyncio.AbstractEventLoopPolicy = request.param()
    return policy


class Answering:
    """Methods to call, and what became of the calls."""

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()
        self.waiting = asyncio.Event()
        self.go_on = asyncio.Event()

    async def double(self, number: int) -> int:
        return 2 * number

    async def refuse(self) -> None:
        raise InvalidRequest("no", param="it")

    async def fail(self) -> None:
        raise ValueError("a user's words")

    async def wait(self) -> str:
        self.waiting.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return "done"

    @property
    def methods(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("double", "refuse", "fail", "wait")}


class Ends:
    """Both ends of a socket."""

    def __init__(self, path: Path, most: int = 256) -> None:
        self.path, self.answering = path, Answering()
        self.server = DirectServer(path, self.answering.methods, most)
        self.client = DirectClient(path)


@pytest.fixture
async def ends(tmp_path: Path) -> AsyncIterator[Ends]:
    made = Ends(tmp_path / "run" / "x.sock", most=2)
    await made.server.listen()
    yield made
    made.client.close()
    made.server.close()


async def test_results_and_errors_come_back_as_they_are(ends: Ends) -> None:
    assert await asyncio.gather(*(ends.client.call("double", n) for n in (1, 2))) == [2, 4]
    with pytest.raises(InvalidRequest) as raised:
        await ends.client.call("refuse")
    assert (str(raised.value), raised.value.param) == ("no", "it")


async def test_a_bug_comes_back_without_its_words(ends: Ends, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InternalError) as raised:
        await ends.client.call("fail")
    assert "words" not in str(raised.value) + caplog.text
    with pytest.raises(InternalError):
        await ends.client.call("no such method")


async def test_what_is_cancelled_here_is_cancelled_there(ends: Ends) -> None:
    call = asyncio.ensure_future(ends.client.call("wait"))
    await ends.answering.waiting.wait()
    assert ends.server.is_alone
    call.cancel()
    await asyncio.wait_for(ends.answering.cancelled.wait(), 5)
    assert await ends.client.call("double", 4) == 8


async def test_more_than_it_can_queue_are_refused_and_the_others_answered(ends: Ends) -> None:
    calls = [asyncio.ensure_future(ends.client.call("wait")) for _ in range(2)]
    await ends.answering.waiting.wait()
    with pytest.raises(Overloaded):
        await ends.client.call("double", 1)
    assert not ends.server.is_alone
    ends.answering.go_on.set()
    assert await asyncio.gather(*calls) == ["done", "done"]
    assert await ends.client.call("double", 1) == 2


async def test_nobody_listens(tmp_path: Path) -> None:
    client = DirectClient(tmp_path / "nobody.sock")
    for _ in range(2):
        with pytest.raises(NotReached):
            await client.call("double", 1)


async def test_the_other_end_goes_while_a_call_waits_and_another_takes_its_place(ends: Ends) -> None:
    call = asyncio.ensure_future(ends.client.call("wait"))
    await ends.answering.waiting.wait()
    server = ends.server
    ends.server = DirectServer(ends.path, ends.answering.methods)
    await ends.server.listen()
    server.close()
    assert ends.path.exists()  # the newer one's
    with pytest.raises(NotReached):
        await call
    assert await ends.client.call("double", 3) == 6


async def test_a_socket_that_is_removed_is_made_again(ends: Ends) -> None:
    ends.path.unlink()
    with pytest.raises(NotReached):
        await ends.client.call("double", 1)
    await ends.server.listen()
    assert await DirectClient(ends.path).call("double", 1) == 2
    before = ends.path.stat().st_ino
    await ends.server.listen()  # it is there: nothing changes
    assert ends.path.stat().st_ino == before


async def test_nobody_else_is_heard(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ends.path.stat().st_mode & 0o077 == 0
    assert ends.path.parent.stat().st_mode & 0o077 == 0
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)  # now the other end is another user's
    with pytest.raises(NotReached):
        await ends.client.call("double", 1)


async def test_a_frame_beyond_all_reason_ends_the_connection(ends: Ends) -> None:
    reader, writer = await asyncio.open_unix_connection(str(ends.path))
    writer.write(struct.pack("!I", MAX_FRAME_BYTES + 1))
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


def test_a_long_home_gets_a_short_path(tmp_path: Path) -> None:
    assert direct_path(tmp_path / "h", "cache") == tmp_path / "h" / "run" / "cache.sock"
    assert len(str(direct_path(tmp_path / ("h" * 120), "cache"))) < 100
