"""A tiny real server that speaks the wire format of the stack, for the real OpenAI client."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

CITATIONS = [
    {"index": 1, "document": "docs/a.md", "chunk": 0, "score": 0.9},
    {"index": 2, "document": "docs/b.md", "chunk": 3, "score": 0.7},
]


@dataclass
class StackServer:
    """What the server did. Which way a chat goes is decided by the text of its question."""

    base_url: str
    chats: list[dict[str, Any]] = field(default_factory=list)  # request bodies
    headers: list[dict[str, str]] = field(default_factory=list)  # their headers, names in lower case
    in_progress: int = 0
    most_in_progress: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **extra: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "docs",
        "choices": choices,
        **extra,
    }


USAGE = {"prompt_tokens": 40, "completion_tokens": 7, "total_tokens": 47}
ERROR = {"message": "The model failed.", "type": "server_error", "param": None, "code": "upstream_failed"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stack: StackServer

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        if self.headers.get("authorization") != "Bearer sk-right":
            self.reply(401, {"error": ERROR | {"message": "No such key.", "code": "invalid_api_key"}})
        elif self.path == "/v1/models":
            models = [{"id": name, "object": "model", "created": 1, "owned_by": "x"} for name in ("chat", "docs")]
            self.reply(200, {"object": "list", "data": models})
        else:
            self.reply(404, {"error": ERROR | {"message": "No such route.", "code": "not_found"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.stack.lock:
            self.stack.chats.append(body)
            self.stack.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.stack.in_progress += 1
            self.stack.most_in_progress = max(self.stack.most_in_progress, self.stack.in_progress)
        try:
            self.answer(body["messages"][0]["content"])
        finally:
            with self.stack.lock:
                self.stack.in_progress -= 1

    def answer(self, question: str) -> None:
        if question == "fails":
            self.reply(500, {"error": ERROR | {"message": "A bug.", "code": "internal_error"}})
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.send_header("x-sextant-cache", "miss")
        self.send_header("x-request-id", "req-7")
        self.end_headers()
        self.event(chunk({"role": "assistant", "content": ""}, sextant={"citations": CITATIONS}))
        if question == "slow":
            time.sleep(1)
        time.sleep(0.05)
        self.event(chunk({"content": "The port is "}))
        if question == "fails mid-stream":
            self.event({"error": ERROR})
        elif question == "loses the connection":
            self.close_connection = True
            return
        elif question == "sends nonsense":
            self.raw(b"data: {not json}\n\n")
        elif question == "sends odd citations":
            self.event(chunk({}, sextant={"citations": [{"document": "docs/a.md"}]}))
        elif question != "ends early":
            self.event(chunk({"content": "8000 [1]."}))
            self.event(chunk({}, "stop"))
            self.event(chunk(usage=USAGE))
            self.raw(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def event(self, payload: dict[str, Any]) -> None:
        self.raw(b"data: " + json.dumps(payload).encode() + b"\n\n")

    def raw(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def reply(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def stack_server() -> Iterator[StackServer]:
    class StackHandler(Handler):
        """With a record of its own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), StackHandler)
    StackHandler.stack = StackServer(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield StackHandler.stack
    server.shutdown()
    server.server_close()
    thread.join()
