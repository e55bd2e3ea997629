"""A network between us and a database that can fail without a word, as one with a broken switch in it does."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from sqlalchemy.engine import URL


class Partition:
    """A TCP proxy before a server. While `is_silent`, bytes vanish on the way, both ways; connecting still works."""

    def __init__(self, behind: URL) -> None:
        assert behind.host
        assert behind.port
        self._behind = behind
        self._host, self._port = behind.host, behind.port
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.is_silent = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server
        self._server.close()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)
        for writer in self._writers:
            writer.close()

    @property
    def url(self) -> URL:
        """The server's, by way of this."""
        assert self._server
        return self._behind.set(port=self._server.sockets[0].getsockname()[1])

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        self._writers.append(far_writer)
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            pipe = asyncio.create_task(self._pass_on(source, sink))
            self._pipes.add(pipe)
            pipe.add_done_callback(self._pipes.discard)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while part := await source.read(65536):
                if not self.is_silent:
                    sink.write(part)
                    await sink.drain()
            if not self.is_silent:  # nobody hears either that the other end is gone
                sink.close()
