"""Files and batches as OpenAI's clients read and write them. Times on the wire are whole seconds."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import Field

from app.batches.types import Batch, Endpoint, Status, StoredFile
from app.wire.base import Identifier, Metadata, Wire

ENDED_AT: dict[Status, str] = {
    "completed": "completed_at",
    "failed": "failed_at",
    "expired": "expired_at",
    "cancelled": "cancelled_at",
}


class BatchRequest(Wire):
    """`POST /v1/batches`."""

    input_file_id: Identifier
    endpoint: Endpoint
    completion_window: Literal["24h"]
    metadata: Metadata | None = None


class FilePage(Wire):
    """The query of `GET /v1/files`."""

    after: Identifier | None = None
    limit: Annotated[int, Field(ge=1, le=10_000, strict=False)] = 10_000
    order: Literal["asc", "desc"] = "desc"
    purpose: Identifier | None = None


class BatchPage(Wire):
    """The query of `GET /v1/batches`."""

    after: Identifier | None = None
    limit: Annotated[int, Field(ge=1, le=100, strict=False)] = 20


def file_object(file: StoredFile) -> dict[str, Any]:
    """A `file`."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": file.created_ms // 1000,
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
    }


def batch_object(batch: Batch) -> dict[str, Any]:
    """A `batch`."""
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": {"object": "list", "data": [asdict(error) for error in batch.errors]} if batch.errors else None,
        "input_file_id": batch.input_file,
        "completion_window": "24h",
        "status": batch.status,
        "output_file_id": batch.output_file,
        "error_file_id": batch.error_file,
        "created_at": batch.created_ms // 1000,
        "in_progress_at": _seconds(batch.started_ms),
        "expires_at": batch.expires_ms // 1000,
        "finalizing_at": _seconds(batch.finalizing_ms),
        "cancelling_at": _seconds(batch.cancelling_ms),
        **{name: _seconds(batch.ended_ms) if batch.status == status else None for status, name in ENDED_AT.items()},
        "request_counts": {"total": batch.total, "completed": batch.completed, "failed": batch.failed},
        "metadata": batch.metadata,
    }


def page_object(items: Sequence[dict[str, Any]], limit: int) -> dict[str, Any]:
    """A page out of `limit` + 1 items that were asked for: the one too many says that there is more."""
    page = items[:limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(items) > limit,
    }


def _seconds(time_ms: int | None) -> int | None:
    return None if time_ms is None else time_ms // 1000
