"""One HTTP/1.1 connection of a double: requests in, answers out, and who left before the end."""

import asyncio
from collections import deque
from typing import Any, Protocol, cast

import httptools
import orjson

from tests.provider_double.answers import Answer, answer_to
from tests.provider_double.faults import MID_STREAM, REFUSALS, Fault, FaultBox
from tests.provider_double.http import JSON, SSE, Request, chunk, head, wire_of
from tests.provider_double.prompt_cache import PromptCache
from tests.provider_double.refusals import error_event, refusal
from tests.provider_double.seen import Received, Seen
from tests.provider_double.wires import events, whole

FAILURES = MID_STREAM | {"hang", "reset"}
PACED_FROM = 512  # tokens: shorter streams without a delay go out in one write


class Behaviour(Protocol):
    """What a connection asks of its double."""

    tokens: int
    varied: bool
    delay_s: float
    cached_tokens: int
    prompt_cache: PromptCache
    key: str | None
    seen: Seen
    faults: FaultBox

    def control(self, method: str, body: dict[str, Any]) -> dict[str, Any]: ...


class Connection(asyncio.Protocol):
    """Answers its requests one after the other. The methods without underscore are called by
    asyncio and by the parser."""

    def __init__(self, double: Behaviour, connections: set["Connection"]) -> None:
        self._double = double
        self._connections = connections
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._is_cut = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self._parser = httptools.HttpRequestParser(self)
        self._connections.add(self)
        self._double.seen.connected(1)

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.discard(self)
        self._double.seen.connected(-1)
        if self._task:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def on_message_begin(self) -> None:
        self._request = Request()

    def on_url(self, url: bytes) -> None:
        self._request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._request.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._request.body += body

    def on_message_complete(self) -> None:
        self._request.method = self._parser.get_method().decode()
        self._waiting.append(self._request)
        self._next()

    def close(self) -> None:
        """Cut it, as a process that dies does."""
        self._is_cut = True
        self._transport.abort()

    def _next(self) -> None:
        while self._waiting and not self._task and not self._transport.is_closing():
            self._answer(self._waiting.popleft())

    def _answer(self, request: Request) -> None:
        wire = wire_of(request.path)
        try:
            body = orjson.loads(request.body) if request.body else {}
        except orjson.JSONDecodeError:
            self._send(*refusal("chat", "400", "", ""))
            return
        if wire is None or request.method != "POST":
            self._answer_other(request, body)
            return
        model, _, asked = str(body.get("model", "")).partition("!")
        body["model"] = model
        seen = self._double.seen
        seen.last = Received(request.target.decode(), request.headers, body)
        seen.count(model, "requests")
        fault = self._double.faults.draw(model, request.headers.get("x-double-fault") or asked or None)
        if self._double.key and request.key != self._double.key:
            fault = Fault("wrong_key")
        if fault and (fault.status or fault.kind in REFUSALS):
            seen.count(model, "failed")
            wait = fault.retry_after_s
            headers = b"" if wait is None else b"retry-after: %d\r\n" % wait
            self._send(*refusal(wire, fault.kind, model, request.key), headers)
            return
        double = self._double
        answer = answer_to(wire, body, double.tokens, double.cached_tokens, double.prompt_cache, varied=double.varied)
        is_stream = bool(body.get("stream"))
        if not fault and not self._double.delay_s and answer.generated < PACED_FROM:
            self._send(200, b"".join(_flat(answer)), kind=SSE) if is_stream else self._send(200, whole(answer))
            self._complete(answer)
            return
        self._task = asyncio.create_task(self._answer_slowly(answer, is_stream, fault))
        self._task.add_done_callback(self._done)

    def _answer_other(self, request: Request, body: dict[str, Any]) -> None:
        if request.path == "/control":
            try:
                self._send(200, orjson.dumps(self._double.control(request.method, body)))
            except (TypeError, ValueError) as error:
                self._send(400, orjson.dumps({"error": {"message": str(error)}}))
        elif request.path.endswith("/models"):
            self._send(200, orjson.dumps({"object": "list", "data": [{"id": "double", "object": "model"}]}))
        else:
            self._send(*refusal("chat", "404", "", ""))

    def _done(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()):
            self._transport.abort()
            raise error
        self._next()

    async def _answer_slowly(self, answer: Answer, is_stream: bool, fault: Fault | None) -> None:
        """An answer that takes time or goes wrong."""
        seen = self._double.seen
        kind = fault.kind if fault else None
        if kind in FAILURES:
            seen.count(answer.model, "failed")
        try:
            if kind == "reset":
                self._transport.abort()
                return
            if kind == "hang":
                await asyncio.Future()
            if fault and kind == "slow_first_token":
                await asyncio.sleep(fault.delay_s)
            if is_stream:
                await self._stream(answer, kind)
            else:
                await self._whole(answer, kind)
            if kind not in FAILURES:
                self._complete(answer, counted=is_stream)
        except asyncio.CancelledError:
            seen.count(answer.model, "failed" if self._is_cut else "cancelled")
            raise

    async def _whole(self, answer: Answer, kind: str | None) -> None:
        body = whole(answer)
        if kind == "error_event":
            self._send(200, refusal(answer.wire, "500", "", "")[1])
            return
        if kind == "malformed_chunk":
            self._send(200, body[: len(body) // 2])
            return
        await asyncio.sleep(self._double.delay_s * len(answer.tokens))
        if kind in ("cut_stream", "end_early", "stall"):
            self._transport.write(head(200, JSON, b"content-length: %d\r\n" % len(body)) + body[: len(body) // 2])
            if kind == "stall":
                await asyncio.Future()
            self._transport.close()
            return
        self._send(200, body)

    async def _stream(self, answer: Answer, kind: str | None) -> None:
        seen = self._double.seen
        start, middle, end, done = events(answer)
        half = len(middle) // 2 if kind in MID_STREAM else len(middle)
        self._transport.write(head(200, SSE, b"transfer-encoding: chunked\r\n") + chunk(start))
        for event in middle[:half]:
            await asyncio.sleep(self._double.delay_s)
            await self._writable.wait()
            self._transport.write(chunk(event))
            seen.count(answer.model, "tokens", answer.choices)
        if kind == "stall":
            await asyncio.Future()
        elif kind == "cut_stream":
            self._transport.close()
            return
        elif kind == "malformed_chunk":
            self._transport.write(chunk(b'data: {"choices": [{"ind\n\n'))
        elif kind == "error_event":
            self._transport.write(chunk(error_event(answer.wire)))
        elif kind == "no_done":
            self._transport.write(chunk(end))
        elif kind != "end_early":
            self._transport.write(chunk(end + done))
        self._transport.write(b"0\r\n\r\n")

    def _complete(self, answer: Answer, *, counted: bool = False) -> None:
        if not counted:
            self._double.seen.count(answer.model, "tokens", answer.generated)
        self._double.seen.count(answer.model, "completed")

    def _send(self, status: int, body: bytes, headers: bytes = b"", kind: bytes = JSON) -> None:
        length = b"content-length: %d\r\n" % len(body)
        self._transport.write(head(status, kind, length + headers) + body)


def _flat(answer: Answer) -> tuple[bytes, ...]:
    start, middle, end, done = events(answer)
    return (start, *middle, end, done)
