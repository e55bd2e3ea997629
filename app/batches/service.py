"""What the routes of files and batches do. A caller sees what is its customer's, without one what is its tenant's."""

import re
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from app.accounts.types import Caller
from app.batches.batch_records import BatchRecords
from app.batches.file_records import FileRecords
from app.batches.files import FileStore
from app.batches.types import Batch, StoredFile
from app.batches.upload import receive_upload
from app.batches.wire import BatchPage, BatchRequest, FilePage
from app.clock import now_ms
from app.config.batches import BatchesConfig
from app.errors import Conflict, InvalidRequest, NotFound, PermissionDenied, RateLimited

RETRY_AFTER_S = 60.0
UPLOAD_RETRY_AFTER_S = 5.0
# Anything else is no id of ours, and not a text that every database takes (PostgreSQL refuses a NUL).
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class BatchService:
    """All methods raise Unavailable while the database is away, NotFound for what is not the caller's."""

    def __init__(
        self,
        config: BatchesConfig,
        file_records: FileRecords,
        batch_records: BatchRecords,
        files: FileStore,
        on_created: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_created` wakes whoever starts the jobs."""
        self.config = config
        self._file_records = file_records
        self._batch_records = batch_records
        self._files = files
        self._on_created = on_created
        self._uploads: Counter[str] = Counter()  # in progress, by tenant

    async def upload(self, caller: Caller, content_type: str, body: AsyncIterator[bytes]) -> StoredFile:
        """Store a file.

        Raises what `receive_upload` raises, InvalidRequest when the tenant's store is full, and RateLimited
        over `max_uploads`.
        """
        _refuse_batches(caller)
        with self._uploading(caller.tenant):
            return await self._upload(caller, content_type, body)

    async def _upload(self, caller: Caller, content_type: str, body: AsyncIterator[bytes]) -> StoredFile:
        stored = await self._file_records.stored(caller.tenant)
        if stored.bytes >= self.config.max_stored_bytes or stored.files >= self.config.max_files:
            raise InvalidRequest("Your files take all the room that they may; delete some.", param="file")
        file_id = f"file-{uuid.uuid4().hex}"
        async with self._files.writing(caller.tenant, file_id) as write:
            upload = await receive_upload(content_type, body, write, self.config.max_file_bytes)
            if upload.purpose != "batch":
                raise InvalidRequest("purpose must be 'batch'.", param="purpose")
        file = StoredFile(
            id=file_id,
            tenant=caller.tenant,
            customer=caller.customer,
            key_id=caller.key_id,
            name=upload.name,
            purpose="batch",
            bytes=upload.bytes,
            created_ms=now_ms(),
        )
        try:
            await self._file_records.add(file)
        except BaseException:
            await self._files.delete(caller.tenant, file_id)
            raise
        return file

    @contextmanager
    def _uploading(self, tenant: str) -> Iterator[None]:
        """Each upload holds a connection, a file and some memory, for as long as its client likes."""
        if self._uploads[tenant] >= self.config.max_uploads:
            raise RateLimited(
                f"You may upload {self.config.max_uploads} files at once.", retry_after_s=UPLOAD_RETRY_AFTER_S
            )
        self._uploads[tenant] += 1
        try:
            yield
        finally:
            self._uploads[tenant] -= 1
            if not self._uploads[tenant]:
                del self._uploads[tenant]

    async def file(self, caller: Caller, file_id: str, *, deleted: bool = False) -> StoredFile:
        """A file's row; with `deleted` also that of a file that was there."""
        file = await self._file_records.find(caller, file_id, deleted=deleted) if ID.fullmatch(file_id) else None
        if file is None:
            raise NotFound(f"There is no file {file_id[:100]!r}.", param="file_id")
        return file

    async def list_files(self, caller: Caller, query: FilePage) -> Sequence[StoredFile]:
        """A page of files, and one more."""
        found = await self._file_records.page(
            caller,
            purpose=query.purpose,
            after=query.after,
            limit=query.limit + 1,
            ascending=query.order == "asc",
        )
        if found is None:
            raise InvalidRequest("'after' is no file of yours.", param="after")
        return found

    async def content(self, caller: Caller, file_id: str) -> Path:
        """Where a file's content lies."""
        file = await self.file(caller, file_id)
        return self._files.path(file.tenant, file.id)

    async def delete_file(self, caller: Caller, file_id: str) -> StoredFile:
        """Delete a file. Raises Conflict while an unfinished batch reads it.

        May be asked for again: a process that was killed in between has left the content.
        """
        _refuse_batches(caller)
        file = await self.file(caller, file_id, deleted=True)
        if not await self._file_records.delete(caller, file.id):
            raise Conflict("An unfinished batch reads this file; cancel it first.", param="file_id")
        await self._files.delete(file.tenant, file.id)
        return file

    async def create(self, caller: Caller, request: BatchRequest) -> Batch:
        """Begin a batch. Raises InvalidRequest, and RateLimited over `max_open`."""
        _refuse_batches(caller)
        file = await self._file_records.find(caller, request.input_file_id)
        if file is None or file.purpose != "batch":
            raise InvalidRequest("There is no such file with purpose 'batch'.", param="input_file_id")
        now = now_ms()
        batch = Batch(
            id=f"batch_{uuid.uuid4().hex}",
            tenant=caller.tenant,
            customer=caller.customer,
            key_id=caller.key_id,
            endpoint=request.endpoint,
            input_file=file.id,
            status="validating",
            created_ms=now,
            expires_ms=now + round(self.config.expires_s * 1000),
            metadata=request.metadata,
        )
        if not await self._batch_records.add(batch, self.config.max_open):
            raise RateLimited(
                f"You may have {self.config.max_open} unfinished batches; wait for one to end, or cancel it.",
                retry_after_s=RETRY_AFTER_S,
            )
        self._on_created()
        return batch

    async def batch(self, caller: Caller, batch_id: str) -> Batch:
        """A batch's row."""
        batch = await self._batch_records.get(batch_id, caller) if ID.fullmatch(batch_id) else None
        if batch is None:
            raise NotFound(f"There is no batch {batch_id[:100]!r}.", param="batch_id")
        return batch

    async def list_batches(self, caller: Caller, query: BatchPage) -> Sequence[Batch]:
        """A page of batches, and one more."""
        found = await self._batch_records.page(caller, after=query.after, limit=query.limit + 1)
        if found is None:
            raise InvalidRequest("'after' is no batch of yours.", param="after")
        return found

    async def cancel(self, caller: Caller, batch_id: str) -> Batch:
        """End a batch early; what is done is kept. Raises Conflict when it ends or has ended otherwise."""
        _refuse_batches(caller)
        await self.batch(caller, batch_id)
        changed = await self._batch_records.cancel(caller, batch_id)
        batch = await self.batch(caller, batch_id)
        if not changed and batch.status not in {"cancelling", "cancelled"}:
            raise Conflict(f"A batch with status '{batch.status}' cannot be cancelled.", param="batch_id")
        return batch


def _refuse_batches(caller: Caller) -> None:
    """A request of a batch could otherwise make batches without end."""
    if caller.batch is not None:
        raise PermissionDenied("A batch cannot change files or batches.")
