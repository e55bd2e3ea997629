"""Calls between two processes of one machine over a Unix socket: 0.03 ms where a Serve handle takes 1 to 3.

A handle finds the replica wherever it is, waits while it starts, and is what everything else goes through. What stands
on every request's way and has its other end on the same machine may go directly, and falls back to the handle where
nobody listens: `DirectClient.call` raises NotReached for that.

A frame is four bytes of length and a pickle. Both ends are this application's own processes under one user, as with
Ray's; neither reads a byte before the kernel has said that the other end belongs to this user.
"""

import asyncio
import logging
import os
import pickle
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, cast

from app.config.places import make_private, socket_in
from app.errors import InternalError, Overloaded, SextantError

logger = logging.getLogger(__name__)

MAX_FRAME_BYTES = 64_000_000
_LENGTH = struct.Struct("!I")
_CREDENTIALS = struct.Struct("3i")  # of Linux's SO_PEERCRED: process, user, group
SILENT_S = 0.5  # how long a socket where nobody listens is left alone

Method = Callable[..., Awaitable[Any]]


class NotReached(Exception):
    """The call was not made: nobody listens. It may be made another way."""


def direct_path(home: Path, name: str) -> Path:
    """The socket of a part of the stack that lives in `home`, on this machine."""
    return socket_in(home, "run", f"{name}.sock")


class _Frames(asyncio.Protocol):
    """Cuts a stream into frames. Closes a connection of another user's, or with a frame beyond all reason."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = cast(asyncio.Transport, transport)  # uvloop's is one by its methods, not by its class
        if not _is_ours(made.get_extra_info("socket")):
            made.abort()
            return
        self.transport = made

    def data_received(self, data: bytes) -> None:
        if self.transport is None:
            return
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > MAX_FRAME_BYTES:
                self.transport.abort()
                return
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            frame = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            self.frame_received(pickle.loads(frame))  # noqa: S301 (from a process of this user, see the module)

    def frame_received(self, frame: Any) -> None:
        raise NotImplementedError

    def drop(self) -> None:
        """End the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    def send(self, frame: object) -> None:
        data = pickle.dumps(frame, protocol=pickle.HIGHEST_PROTOCOL)
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(_LENGTH.pack(len(data)) + data)


def _is_ours(end: socket.socket | None) -> bool:
    if end is None:
        return False
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # macOS: the directory's mode alone keeps others out
    raw = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return bool(_CREDENTIALS.unpack(raw)[1] == os.getuid())


class DirectServer:
    """Answers calls of named methods, at most `most` at a time; more get Overloaded."""

    def __init__(self, path: Path, methods: Mapping[str, Method], most: int = 256) -> None:
        self._path = path
        self._methods = methods
        self._most = most
        self._running = 0
        self.connections: set[_Served] = set()
        self._server: asyncio.AbstractServer | None = None
        self._inode = 0

    async def listen(self) -> None:
        """Listen, unless it does. What somebody has left, or put, in the socket's place is removed."""
        if self._server is not None and self._is_there():
            return
        self.close()
        make_private(self._path.parent)
        self._path.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Served(self), str(self._path))
        self._path.chmod(0o600)
        self._inode = self._path.stat().st_ino

    def close(self) -> None:
        """Listen no more, and end what is under way. A socket that another process has put in its place stays."""
        if self._server is not None:
            self._server.close()
            self._server = None
            if self._is_there():
                self._path.unlink(missing_ok=True)
        for connection in list(self.connections):
            connection.drop()

    @property
    def is_alone(self) -> bool:
        """Whether a call that is being answered is the only one."""
        return self._running <= 1

    def begin(self) -> None:
        """A call has come in."""
        self._running += 1

    def end(self) -> None:
        """It is answered, or given up."""
        self._running -= 1

    def _is_there(self) -> bool:
        try:
            return self._path.stat().st_ino == self._inode
        except OSError:
            return False

    async def answer(self, method: str, arguments: tuple[Any, ...]) -> tuple[bool, Any]:
        """Whether it went well, and the result or the error."""
        if self._running > self._most:
            return False, Overloaded("There are more requests than can be queued; try again later.", retry_after_s=5)
        try:
            return True, await self._methods[method](*arguments)
        except SextantError as error:
            return False, error
        except Exception as error:
            # Its words may hold what a user wrote.
            logger.error("%s failed: %s", method, type(error).__name__)
            return False, InternalError("Something went wrong on our side; the request id finds it in the log.")


class _Served(_Frames):
    """One connection's calls, each a task that ends with it."""

    def __init__(self, server: DirectServer) -> None:
        super().__init__()
        self._server = server
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def frame_received(self, frame: Any) -> None:
        number, method, arguments = frame
        if method is None:
            if task := self._tasks.get(number):
                task.cancel()
            return
        self._server.begin()
        task = self._tasks[number] = asyncio.ensure_future(self._answer(number, method, arguments))
        task.add_done_callback(lambda _: self._end(number))

    def _end(self, number: int) -> None:
        self._server.end()
        self._tasks.pop(number, None)

    async def _answer(self, number: int, method: str, arguments: tuple[Any, ...]) -> None:
        self.send((number, *await self._server.answer(method, arguments)))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        for task in list(self._tasks.values()):
            task.cancel()


class DirectClient:
    """Calls over one connection, which is made when it is needed. For one event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: _Calling | None = None
        self._connecting: asyncio.Future[_Calling] | None = None
        self._silent_until = 0.0

    async def call(self, method: str, *arguments: Any) -> Any:
        """The result. Raises NotReached when nobody listens, and what the method raises. Cancelling it cancels
        it there. Where the other end dies meanwhile, NotReached too: only call what may be done twice."""
        connection = self._connection
        if connection is None or connection.is_lost:
            connection = await self._connect()
        return await connection.call(method, arguments)

    def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.drop()

    async def _connect(self) -> "_Calling":
        if self._connecting is None:
            loop = asyncio.get_running_loop()
            if loop.time() < self._silent_until:
                raise NotReached
            self._connecting = asyncio.ensure_future(self._open())
        return await asyncio.shield(self._connecting)

    async def _open(self) -> "_Calling":
        loop = asyncio.get_running_loop()
        try:
            _, made = await loop.create_unix_connection(_Calling, str(self._path))
            if made.is_lost:
                raise NotReached
            self._connection = made
            return made
        except OSError:
            self._silent_until = loop.time() + SILENT_S
            raise NotReached from None
        finally:
            self._connecting = None


class _Calling(_Frames):
    """Who waits for which answer."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self.is_lost = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.is_lost = self.transport is None

    async def call(self, method: str, arguments: tuple[Any, ...]) -> Any:
        if self.is_lost:
            raise NotReached
        self._number += 1
        number, answer = self._number, asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self.send((number, method, arguments))
        try:
            return await answer
        except asyncio.CancelledError:
            self.send((number, None, None))
            raise
        finally:
            self._waiting.pop(number, None)

    def frame_received(self, frame: Any) -> None:
        number, is_well, result = frame
        answer = self._waiting.get(number)
        if answer is None or answer.done():
            return
        if is_well:
            answer.set_result(result)
        else:
            answer.set_exception(result)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(NotReached())
