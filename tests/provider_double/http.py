"""HTTP/1.1 as far as a double needs it: a request, and the bytes of an answer around its body."""

from dataclasses import dataclass, field

from tests.provider_double.answers import Wire

JSON = b"application/json"
SSE = b"text/event-stream; charset=utf-8"
REASONS = {200: b"OK", 400: b"Bad Request", 401: b"Unauthorized", 404: b"Not Found", 429: b"Too Many Requests"}


@dataclass(slots=True)
class Request:
    method: str = ""
    target: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)

    @property
    def path(self) -> str:
        return self.target.split(b"?", 1)[0].decode()

    @property
    def key(self) -> str:
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        return bearer or self.headers.get("x-api-key") or self.headers.get("api-key") or ""


def wire_of(path: str) -> Wire | None:
    """By the end of the path: Azure's deployments and any base address fit too."""
    if path.endswith("/chat/completions"):
        return "chat"
    if path.endswith("/completions"):
        return "completions"
    return "messages" if path.endswith("/messages") else None


def head(status: int, kind: bytes, headers: bytes) -> bytes:
    reason = REASONS.get(status, b"Status")
    return b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\n%b\r\n" % (status, reason, kind, headers)


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body. Nothing for nothing: an empty chunk would end it."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
