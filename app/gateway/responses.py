"""Answers on the wire: JSON, event streams, and errors in the one shape."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.dialects.encoder import StreamEncoder
from app.errors import SextantError
from app.gateway.body import until_disconnect
from app.pipeline.flight import as_sextant_error, without_text
from app.wire.sse import DONE, event

logger = logging.getLogger(__name__)


class ClosableChunks(Protocol):
    def __aiter__(self) -> AsyncIterator[dict[str, Any]]: ...

    async def aclose(self) -> None: ...


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(body), status, headers, media_type="application/json")


def error_response(error: SextantError) -> Response:
    """An error answer."""
    return json_response(error.to_wire(), error.status, error.headers())


class ChatEvents:
    """Chunks as OpenAI's chat completions send them: as they are, ended by `[DONE]` or an error event."""

    def chunk(self, chunk: dict[str, Any]) -> bytes:
        return event(chunk)

    def end(self) -> bytes:
        return DONE

    def failed(self, error: SextantError) -> bytes:
        return event(error.to_wire())


class EventStream(Response):
    """Chunks as server-sent events. A client that leaves closes the chunks at once, which ends the generation."""

    media_type = "text/event-stream"

    def __init__(
        self,
        chunks: ClosableChunks,
        headers: Mapping[str, str],
        deadline: float,
        encoder: StreamEncoder | None = None,
    ) -> None:
        """`deadline`: event-loop time, seconds; a client that does not read until then is given up."""
        # Proxies must neither keep the stream nor hold it back.
        super().__init__(None, 200, {**headers, "cache-control": "no-cache", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._chunks = chunks
        self._deadline = deadline
        self._encoder = encoder or ChatEvents()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(until_disconnect(receive))
        try:
            # The chunks end at the deadline by themselves, with an event that says so; the second is for that.
            left = self._deadline - asyncio.get_running_loop().time() + 1
            await asyncio.wait({sending, leaving}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            leaving.cancel()
            if not sending.done():
                sending.cancel()
                await asyncio.wait({sending})
            await self._chunks.aclose()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async for chunk in self._chunks:
                if events := self._encoder.chunk(chunk):
                    await send({"type": "http.response.body", "body": events, "more_body": True})
            last = self._encoder.end()
        except Exception as raised:
            error = as_sextant_error(raised)
            if error is not raised:
                logger.error("a stream failed: %s", type(raised).__name__, exc_info=without_text(raised))
            await self._chunks.aclose()  # settles: what was used is durable before the last byte
            last = self._encoder.failed(error)
        await send({"type": "http.response.body", "body": last, "more_body": False})
