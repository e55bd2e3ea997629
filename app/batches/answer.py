"""What became of one request of a batch, and how it is written down."""

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

from app.batches.lines import Line

EXPIRED = "batch_expired"


@dataclass(frozen=True, slots=True)
class Answer:
    """The gateway's answer to one request."""

    status: int
    body: Any
    request_id: str = ""
    retry_after_s: float | None = None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def code(self) -> object:
        """The error's, where there is one of the gateway's shape."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        return error.get("code") if isinstance(error, dict) else None


def request_name(batch_id: str, line: Line) -> str:
    """The id of a line's request, the same each time it is sent; it is also the gateway's x-request-id."""
    digest = hashlib.blake2b(f"{batch_id}:{line.number}".encode(), digest_size=16)
    return f"batch_req_{digest.hexdigest()}"


def answered(batch_id: str, line: Line, answer: Answer) -> bytes:
    """A line of the output or error file."""
    response = {"status_code": answer.status, "request_id": answer.request_id, "body": answer.body}
    return _written(batch_id, line, response, None)


def expired(batch_id: str, line: Line) -> bytes:
    """The line of the error file for a request that was not made in time."""
    message = "This request could not be executed before the completion window expired."
    return _written(batch_id, line, None, {"code": EXPIRED, "message": message})


def _written(batch_id: str, line: Line, response: dict[str, Any] | None, error: dict[str, Any] | None) -> bytes:
    content = {
        "id": request_name(batch_id, line),
        "custom_id": line.custom_id,
        "response": response,
        "error": error,
    }
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
