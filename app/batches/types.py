"""What a file and a batch are. Times are milliseconds since the epoch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Status = Literal["validating", "in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled"]
OPEN: tuple[Status, ...] = ("validating", "in_progress", "finalizing", "cancelling")
Endpoint = Literal["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"]
Purpose = Literal["batch", "batch_output"]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a tenant, and of its customer if it has one. The content lies in the `FileStore` under `id`.

    `name` is only shown.
    """

    id: str
    tenant: str
    key_id: str
    name: str
    purpose: Purpose
    bytes: int
    created_ms: int
    customer: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a batch failed before its first request. `line` counts from 1."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch, as its row was when it was read."""

    id: str
    tenant: str
    customer: str | None
    key_id: str  # on whose behalf the requests are made
    endpoint: Endpoint
    input_file: str
    status: Status
    created_ms: int
    expires_ms: int
    metadata: Mapping[str, str] | None = None
    output_file: str | None = None
    error_file: str | None = None
    errors: tuple[Problem, ...] = ()
    job: str | None = None  # submission id of the Ray job that works on it
    total: int = 0
    completed: int = 0
    failed: int = 0
    started_ms: int | None = None
    finalizing_ms: int | None = None
    cancelling_ms: int | None = None
    ended_ms: int | None = None

    @property
    def output_name(self) -> str:
        """The id of the file of answers. Derived, so that a job that is started again finds it."""
        return f"file-{self.id.removeprefix('batch_')}-output"

    @property
    def error_name(self) -> str:
        """The id of the file of requests that failed."""
        return f"file-{self.id.removeprefix('batch_')}-error"
