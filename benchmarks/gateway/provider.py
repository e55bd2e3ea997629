"""A provider without delay: OpenAI's chat completions with one fixed answer, as fast as asyncio allows.

`python -m benchmarks.gateway.provider PORT`. It counts the chat requests that reach it (`GET /count`), so a
benchmark can tell that no gateway answered by itself and none asked twice; and batches of OTLP spans, which it forgets.
"""

import asyncio
import json
import re
import sys

from benchmarks.gateway.wire import HEAD_END, header

ANSWER = "The gateway adds its time to this short answer"
_MODEL = "bench"
_USAGE = {"prompt_tokens": 30, "completion_tokens": 9, "total_tokens": 39}
_STREAMED = re.compile(rb'"stream"\s*:\s*true')
_WITH_USAGE = re.compile(rb'"include_usage"\s*:\s*true')
_ID = {"id": "chatcmpl-bench", "created": 1_750_000_000, "model": _MODEL}


def _response(body: bytes, content_type: str = "application/json", status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _whole() -> bytes:
    message = {"role": "assistant", "content": ANSWER}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return _response(json.dumps({**_ID, "object": "chat.completion", "choices": [choice], "usage": _USAGE}).encode())


def _chunk(data: bytes) -> bytes:
    event = b"data: " + data + b"\n\n"
    return f"{len(event):x}\r\n".encode() + event + b"\r\n"


def _event(choices: list[dict[str, object]], **more: object) -> bytes:
    return _chunk(json.dumps({**_ID, "object": "chat.completion.chunk", "choices": choices, **more}).encode())


def _stream(*, with_usage: bool) -> tuple[bytes, ...]:
    """Head and events; a write for each, as a model would send them."""
    words = ANSWER.split(" ")
    deltas: list[dict[str, str]] = [{"content": word if i == 0 else " " + word} for i, word in enumerate(words)]
    deltas[0]["role"] = "assistant"
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        *(_event([{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas),
        _event([{"index": 0, "delta": {}, "finish_reason": "stop"}]),
        *([_event([], usage=_USAGE)] if with_usage else []),
        _chunk(b"[DONE]") + b"0\r\n\r\n",
    )


WHOLE = _whole()
STREAM = _stream(with_usage=False)
STREAM_WITH_USAGE = _stream(with_usage=True)
MODELS = _response(json.dumps({"object": "list", "data": [{"id": _MODEL, "object": "model"}]}).encode())
SPANS_TAKEN = _response(b"", "application/x-protobuf")
NOT_FOUND = _response(b'{"error":{"message":"no such route","type":"invalid_request_error"}}', status="404 Not Found")
NO_LENGTH = _response(b"", status="411 Length Required")


class Provider:
    """Makes connections that share one count."""

    def __init__(self) -> None:
        self.chat_requests = 0
        self.span_batches = 0

    def answer(self, request_line: bytes, body: bytes) -> tuple[bytes, ...]:
        """What to write for a request."""
        if request_line.startswith(b"post /v1/chat/completions "):
            self.chat_requests += 1
            if not _STREAMED.search(body):
                return (WHOLE,)
            return STREAM_WITH_USAGE if _WITH_USAGE.search(body) else STREAM
        if request_line.startswith(b"post /v1/traces "):
            self.span_batches += 1
            return (SPANS_TAKEN,)
        if request_line.startswith(b"get /count "):
            return (_response(json.dumps(vars(self)).encode()),)
        return (MODELS if request_line.startswith(b"get /v1/models ") else NOT_FOUND,)


class Connection(asyncio.Protocol):
    """One client's connection, kept alive until the client closes it."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._buffer += data
        while (head_end := self._buffer.find(HEAD_END)) >= 0:
            head = bytes(self._buffer[:head_end]).lower()
            if header(head, b"transfer-encoding") is not None:
                self._transport.write(NO_LENGTH)
                self._transport.close()
                return
            body_start = head_end + len(HEAD_END)
            body_end = body_start + int(header(head, b"content-length") or 0)
            if len(self._buffer) < body_end:
                return
            body = bytes(self._buffer[body_start:body_end])
            del self._buffer[:body_end]
            for part in self._provider.answer(head, body):
                self._transport.write(part)


async def serve(port: int, host: str = "127.0.0.1") -> asyncio.Server:
    """Listen; port 0 chooses a free one."""
    provider = Provider()
    return await asyncio.get_running_loop().create_server(lambda: Connection(provider), host, port)


async def _main(port: int) -> None:
    async with await serve(port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
