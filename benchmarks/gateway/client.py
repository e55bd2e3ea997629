"""One keep-alive HTTP/1.1 connection that asks for an answer and times it."""

import asyncio
import time
from dataclasses import dataclass

from benchmarks.gateway.provider import ANSWER
from benchmarks.gateway.wire import HEAD_END, ChunkedBody, header

_WORDS = [word.encode() for word in ANSWER.split(" ")]
FIRST_WORD, LAST_WORD = _WORDS[0], _WORDS[-1]
_SHOWN_BYTES = 400


class BadAnswer(Exception):
    """The server answered with something else than the provider's answer; `str()` shows it."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds from the first byte sent to the first word, and to the last byte, received."""

    first_word_s: float
    total_s: float


class Client(asyncio.Protocol):
    """Asks one thing after the other. After a BadAnswer it is of no use any more."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[Timing] | None = None
        self._reset(0.0)

    @classmethod
    async def connect(cls, host: str, port: int) -> "Client":
        """Open a connection. Raises OSError."""
        _, client = await asyncio.get_running_loop().create_connection(cls, host, port)
        return client

    @property
    def closed(self) -> bool:
        """Whether the server has closed the connection, or said that it will (`connection: close`)."""
        return self._transport is None or self._transport.is_closing()

    async def ask(self, request: bytes) -> Timing:
        """Send a request and wait for its whole answer. Raises BadAnswer."""
        assert self._transport is not None
        self._answered = asyncio.get_running_loop().create_future()
        self._reset(time.perf_counter())
        self._transport.write(request)
        return await self._answered

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def _reset(self, sent_at: float) -> None:
        self._sent_at = sent_at
        self._first_word_at = 0.0
        self._buffer = bytearray()
        self._body = bytearray()
        self._head: bytes | None = None
        self._chunked: ChunkedBody | None = None
        self._length = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail(f"connection closed ({exc or 'end of file'})")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._head is None and not self._read_head():
            return
        try:
            complete = self._read_body()
        except ValueError as error:
            self._fail(f"not chunked transfer coding: {error}")
            return
        if not self._first_word_at and self._has_begun():
            self._first_word_at = time.perf_counter()
        if complete:
            self._finish()

    def _read_head(self) -> bool:
        end = self._buffer.find(HEAD_END)
        if end < 0:
            return False
        self._head = bytes(self._buffer[:end]).lower()
        del self._buffer[: end + len(HEAD_END)]
        coding = header(self._head, b"transfer-encoding")
        if coding is not None and b"chunked" in coding:
            self._chunked = ChunkedBody()
        else:
            self._length = int(header(self._head, b"content-length") or 0)
        return True

    def _read_body(self) -> bool:
        if self._chunked is not None:
            self._body += self._chunked.take(self._buffer)
            return self._chunked.ended
        self._body += self._buffer
        self._buffer.clear()
        return len(self._body) >= self._length

    def _finish(self) -> None:
        assert self._head is not None
        now = time.perf_counter()
        if header(self._head, b"connection") == b"close":
            self.close()
        # The checks are short, so that the load generator is not what is measured: a whole answer ends with
        # these words, and a stream that broke off does not have its end.
        if self._head[9:12] != b"200" or not self._first_word_at or not self._has_ended():
            self._fail("not the answer")
        elif b'"stop"' not in self._body:
            self._fail("the answer does not say why it ended")
        elif self._answered is not None and not self._answered.done():
            self._answered.set_result(Timing(self._first_word_at - self._sent_at, now - self._sent_at))

    def _has_begun(self) -> bool:
        return FIRST_WORD in self._body

    def _has_ended(self) -> bool:
        return LAST_WORD in self._body

    def _fail(self, why: str) -> None:
        if self._answered is not None and not self._answered.done():
            status = (self._head or b"").split(b"\r\n")[0].decode(errors="replace")
            shown = bytes(self._body[:_SHOWN_BYTES]).decode(errors="replace")
            self._answered.set_exception(BadAnswer(f"{why}: {status} {shown}"))
