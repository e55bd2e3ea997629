"""What a batch has written becomes files that its owner sees."""

import asyncio
from dataclasses import replace
from pathlib import Path

from app.batches.batch_records import BatchRecords
from app.batches.files import FileStore
from app.batches.journal import Journal
from app.batches.types import OPEN, Batch, Problem, StoredFile
from app.clock import now_ms


def result_paths(batch: Batch, files: FileStore) -> tuple[Path, Path]:
    """Where the output and the error file lie, from the first line on."""
    return files.path(batch.tenant, batch.output_name), files.path(batch.tenant, batch.error_name)


def result_file(batch: Batch, path: Path, kind: str) -> StoredFile | None:
    """The row of a file of results; without a line in it there is no file."""
    size = path.stat().st_size
    if size == 0:
        path.unlink()
        return None
    return StoredFile(
        id=path.name,
        tenant=batch.tenant,
        customer=batch.customer,
        key_id=batch.key_id,
        name=f"{batch.id}_{kind}.jsonl",
        purpose="batch_output",
        bytes=size,
        created_ms=now_ms(),
    )


async def give_up(batch: Batch, records: BatchRecords, files: FileStore) -> None:
    """End a batch that no job can end. The results that it has were paid for, so they are shown.

    Raises Conflict while a process works on it, OSError when its results cannot be read, and Unavailable.
    """
    with files.lock(batch.tenant, batch.id):
        current = await records.get(batch.id)  # it may have ended before the lock was ours
        if current is not None and current.status in OPEN:
            await _show_results(current, records, files)
        files.remove_lock(batch.tenant, batch.id)


async def _show_results(batch: Batch, records: BatchRecords, files: FileStore) -> None:
    output, error = result_paths(batch, files)

    def repair() -> Batch:
        with Journal(batch.id, output, error) as journal:
            journal.sync()
            return replace(batch, completed=journal.completed, failed=journal.failed)

    # Every line is read: in a thread, so that the gateway goes on answering.
    batch = await asyncio.to_thread(repair)
    await records.finish(
        batch,
        "failed",
        output=result_file(batch, output, "output"),
        error=result_file(batch, error, "error"),
        errors=[Problem("job_failed", "The batch could not be worked on to its end.")],
    )
