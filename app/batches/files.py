"""Contents of files, in one directory.

It is a file system rather than an object store because a job needs what only the former has: it appends
a line at a time, makes that durable, and a second job sees a lock. A row in the table `files` is what
makes a file visible; what has none is an upload or a batch under way, or left over (`app.batches.sweep`).
"""

import asyncio
import fcntl
import math
import os
import stat
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from io import BufferedWriter
from pathlib import Path

from app.config.places import make_private
from app.errors import Conflict

UPLOAD = ".upload"
LOCK = ".lock"
Write = Callable[[bytes], Awaitable[None]]


class FileStore:
    """Files by tenant and id: `<directory>/tenant-<tenant>/<id>`, readable by this user alone."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, tenant: str, file_id: str) -> Path:
        """Where the content lies. `file_id` is one that we made: a client's goes through the table first."""
        # Quoted and with a word in front no tenant's name is a path.
        return self._directory / f"tenant-{urllib.parse.quote(tenant, safe='')}" / file_id

    @asynccontextmanager
    async def writing(self, tenant: str, file_id: str) -> AsyncIterator[Write]:
        """Gives the function that appends. The file is there, durably, once the block has ended well, else never."""
        final = self.path(tenant, file_id)
        partial = final.with_name(final.name + UPLOAD)
        file = await asyncio.to_thread(_create, partial)

        async def write(data: bytes) -> None:
            await asyncio.to_thread(file.write, data)

        def publish() -> None:
            file.flush()
            os.fsync(file.fileno())
            partial.replace(final)
            sync_directory(final.parent)

        try:
            yield write
            await asyncio.to_thread(publish)
        finally:
            file.close()
            partial.unlink(missing_ok=True)

    async def delete(self, tenant: str, file_id: str) -> None:
        """Remove the content, if it is there."""
        await asyncio.to_thread(self.path(tenant, file_id).unlink, missing_ok=True)

    @contextmanager
    def lock(self, tenant: str, batch_id: str) -> Iterator[None]:
        """One process works on a batch, also when Ray has given up one that still runs. Raises Conflict."""
        path = self.path(tenant, batch_id + LOCK)
        make_private(path.parent)
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(f"Another process works on {batch_id}.") from None
            yield

    def remove_lock(self, tenant: str, batch_id: str) -> None:
        """Tidy up after a batch that has ended. Whoever still waits for the old lock will see that it has."""
        self.path(tenant, batch_id + LOCK).unlink(missing_ok=True)

    def stale(self, since_s: float, before_s: float) -> Iterator[Path]:
        """Contents and locks that were last written between these seconds since the epoch; uploads under way, whose
        process must have ended, whenever before. What has no name of ours is nobody's to remove."""
        for path in self._directory.glob("tenant-*/*"):
            if not path.name.startswith(("file-", "batch_")):
                continue
            with suppress(FileNotFoundError):  # it may end just now, or another process sweep
                found = path.lstat()
                after_s = -math.inf if path.name.endswith(UPLOAD) else since_s
                if stat.S_ISREG(found.st_mode) and after_s <= found.st_mtime < before_s:
                    yield path


def sync_directory(directory: Path) -> None:
    """Make names in a directory durable: a file's own fsync does not."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _create(path: Path) -> BufferedWriter:
    make_private(path.parent)
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")  # noqa: PTH123 - a descriptor
