"""HTTP/2 to a provider where TLS agrees on it, else HTTP/1.1."""

import asyncio
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from app.errors import UpstreamFailed
from app.providers.http1 import IDLE_S
from app.providers.http2_connection import Http2Connection
from app.providers.http2_stream import Http2Stream
from app.providers.transport import Reply, Transport, unreachable_in_time


class Http2Transport:
    """A transport (see `transport`) to one TLS host; `http1` takes over if that host has no HTTP/2."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext,
        max_connections: int,
        connect_timeout_s: float,
        http1: Transport,
    ) -> None:
        self._host, self._port = host, port
        self._tls = tls
        self._max_connections = max_connections
        self._connect_timeout_s = connect_timeout_s
        self._http1 = http1
        self._speaks_http2 = True
        self._connections: list[Http2Connection] = []
        self._opening: asyncio.Task[None] | None = None
        self._freed = asyncio.Event()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        connection = await self._connection()
        if connection is None:
            return await self._http1.post(url, body, headers)
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        stream = connection.open_stream(
            [
                (":method", "POST"),
                (":authority", parts.netloc),
                (":scheme", "https"),
                (":path", target),
                ("content-length", str(len(body))),
                *headers.items(),
            ]
        )
        reply = _Reply(stream, self._freed)
        try:
            await connection.send_body(stream, body)
            await stream.head()
        except BaseException:
            reply.close()
            raise
        return reply

    async def aclose(self) -> None:
        if self._opening:
            self._opening.cancel()
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        await self._http1.aclose()

    async def _connection(self) -> Http2Connection | None:
        """A connection with room for a stream; None when the host turned out to speak HTTP/1.1 only.

        From here to `open_stream` nothing is awaited, so the room is still there.
        """
        while self._speaks_http2:
            self._drop_stale()
            if found := self._with_room():
                return found
            if len(self._connections) >= self._max_connections:
                self._freed.clear()
                await self._freed.wait()
                continue
            if self._opening is None:  # one at a time: a burst of requests fits on one connection
                self._opening = asyncio.create_task(self._open())
                self._opening.add_done_callback(self._opened)
            await asyncio.shield(self._opening)
        return None

    def _with_room(self) -> Http2Connection | None:
        return next((connection for connection in self._connections if connection.has_room), None)

    def _drop_stale(self) -> None:
        """Those that take no more, and those that a load balancer may have dropped for being idle."""
        now = asyncio.get_running_loop().time()
        for connection in self._connections:
            if connection.is_idle and now - connection.last_used > IDLE_S:
                connection.close()
        self._connections = [connection for connection in self._connections if connection.is_open]

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening = None
        if not task.cancelled():
            task.exception()  # whoever waited has it; if nobody did, nobody misses it

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                transport, connection = await loop.create_connection(
                    Http2Connection, self._host, self._port, ssl=self._tls, server_hostname=self._host
                )
                if not connection.is_http2:
                    transport.abort()
                    self._speaks_http2 = False
                    return
                # Before this nobody knows how many streams it takes at once.
                try:
                    await connection.is_ready.wait()
                except BaseException:
                    transport.abort()  # nobody else knows of it yet
                    raise
        except TimeoutError:
            raise unreachable_in_time() from None
        except OSError:
            raise UpstreamFailed("The provider cannot be reached.") from None
        if not connection.is_open:
            raise UpstreamFailed("The provider broke the connection off.")
        self._connections.append(connection)


class _Reply:
    """A stream that tells the pool when there is room again."""

    def __init__(self, stream: Http2Stream, freed: asyncio.Event) -> None:
        self._stream = stream
        self._freed = freed
        self.read = stream.read

    @property
    def status(self) -> int:
        return self._stream.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._stream.headers

    def close(self) -> None:
        self._stream.close()
        self._freed.set()
