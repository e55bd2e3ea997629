"""One request on an HTTP/2 connection, and its answer."""

import asyncio
from collections.abc import Mapping
from typing import Protocol, cast

import h2.events

from app.errors import UpstreamFailed


class Owner(Protocol):
    """The connection, as a stream sees it."""

    def acknowledge(self, stream_id: int, size: int) -> None: ...

    def finish(self, stream: "Http2Stream") -> None: ...


class Http2Stream:
    """One request and its answer; a reply (see `transport`) once `head` has returned."""

    def __init__(self, connection: Owner, stream_id: int, opened_at: float) -> None:
        self.id = stream_id
        self.opened_at = opened_at  # event-loop time, seconds
        self.is_over = False  # ended, reset or cut
        self.is_sent = False  # the whole request is, or the provider wants no more of it
        self._connection = connection
        self._pieces: list[bytes] = []
        self._unacknowledged = 0  # bytes, padding included
        self._status = 0
        self._headers: dict[str, str] = {}
        self._failed = False
        self._waiter: asyncio.Future[None] | None = None

    @property
    def status(self) -> int:
        return self._status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._headers

    async def head(self) -> None:
        """Wait for status and headers. Raises UpstreamFailed."""
        while not self._status:
            self._check()
            await self.wait()

    async def read(self) -> bytes:
        while not self._pieces:
            self._check()
            if self.is_over:
                return b""
            await self.wait()
        return self._take_all()

    def close(self) -> None:
        if self._unacknowledged:
            self._take_all()  # unread, but it counts against the connection's window
        self._connection.finish(self)

    def take(self, event: h2.events.Event) -> None:
        """Note what came for it."""
        if isinstance(event, h2.events.ResponseReceived):
            headers = cast(list[tuple[str, str]], event.headers)
            self._headers = {name: value for name, value in headers if not name.startswith(":")}
            self._status = int(dict(headers).get(":status", "0"))
        elif isinstance(event, h2.events.DataReceived):
            if event.data:  # an empty piece would read as the end
                self._pieces.append(event.data)
            self._unacknowledged += event.flow_controlled_length
        elif isinstance(event, h2.events.StreamEnded):
            self.is_over = True
        elif isinstance(event, h2.events.StreamReset):
            self.fail()
        self.wake()

    def fail(self) -> None:
        """It was reset, or its connection is gone."""
        self.is_sent = True
        if not self.is_over:
            self.is_over = self._failed = True
        self.wake()

    async def wait(self) -> None:
        """Until something happens to it."""
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def wake(self) -> None:
        """Something happened."""
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _take_all(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._connection.acknowledge(self.id, self._unacknowledged)
        self._unacknowledged = 0
        return data

    def _check(self) -> None:
        if self._failed:
            raise UpstreamFailed("The provider broke the connection off.")
