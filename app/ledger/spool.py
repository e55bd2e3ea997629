"""Usage rows on disk, until they are in the database: an append-only file of JSON lines for each process."""

import fcntl
import io
import logging
import os
import uuid
from collections.abc import Generator, Sequence
from dataclasses import asdict
from pathlib import Path

import orjson

from app.config.places import make_private
from app.errors import Unavailable
from app.ledger.types import UsageRow

logger = logging.getLogger(__name__)


class Spool:
    """This process's file in a directory that all processes on the machine share. Blocking; call it in a thread.

    A file belongs to the process that holds its lock (`flock`); one without a holder was left by a process that
    died, and is anybody's to adopt.
    """

    def __init__(self, directory: Path, max_rows: int) -> None:
        self._directory = directory
        self._max_rows = max_rows
        self._file: io.FileIO | None = None
        self._path: Path | None = None
        self.pending = 0  # rows that are in the file

    def beside(self) -> "Spool":
        """Another file in the same directory."""
        return Spool(self._directory, self._max_rows)

    def append(self, rows: Sequence[UsageRow], sync: bool = True) -> None:
        """Rows, on disk when this returns; without `sync` only safe from this process's death, in some 20 microseconds.

        Raises Unavailable when the file is full or cannot be written.
        """
        if self.pending + len(rows) > self._max_rows:
            raise Unavailable("The usage database is away, and too much waits for it.", retry_after_s=5)
        file = self._file
        try:
            if file is None:
                file = self._file = self._create()
            end = file.seek(0, os.SEEK_END)
            try:
                text = b"".join(_line(row) for row in rows)
                if file.write(text) != len(text):
                    raise OSError("short write")
                if sync:
                    os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise
        except OSError as error:
            logger.error("usage rows cannot be spooled: %s", type(error).__name__)
            raise Unavailable("Usage can be recorded neither in the database nor on disk.", retry_after_s=5) from error
        self.pending += len(rows)

    def rows(self) -> list[UsageRow]:
        """All of this process's rows, oldest first."""
        return _read(self._file) if self._file else []

    def clear(self, sync: bool = True) -> None:
        """Forget them: they are in the database. OSError."""
        if self._file:
            self._file.truncate(0)
            if sync:
                os.fsync(self._file.fileno())
        self.pending = 0

    def reject(self, rows: Sequence[UsageRow]) -> None:
        """Keep rows that the database refuses for what they hold in a file beside this one, once each. OSError."""
        assert self._path is not None
        path = self._path.with_suffix(".rejected")
        with io.FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b") as file:
            known = set(file.read().splitlines(keepends=True))
            file.write(b"".join(line for line in map(_line, rows) if line not in known))
            os.fsync(file.fileno())
        logger.error("%d usage rows that the database refuses are in %s", len(rows), path.name)

    def adopt(self) -> Generator["Spool", None, None]:
        """The files of dead processes, one after another, each locked while the caller looks at it."""
        for path in sorted(self._directory.glob("*.jsonl")):
            try:
                file = io.FileIO(path, "r+b")
            except FileNotFoundError:
                continue  # adopted by another process meanwhile
            with file:
                if not _lock(file):
                    continue
                orphan = Spool(self._directory, self._max_rows)
                orphan._path = path
                try:
                    orphan._file, orphan.pending = file, len(_read(file))
                except (ValueError, TypeError):
                    logger.error("spooled usage rows are unreadable, and left where they are: %s", path.name)
                    continue
                yield orphan
                if orphan.pending == 0:
                    path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file; what is in it waits for the next process."""
        if self._file and self._path:
            if self.pending == 0:
                self._path.unlink(missing_ok=True)
            self._file.close()
            self._file = None

    def _create(self) -> io.FileIO:
        make_private(self._directory)
        name = f"{os.getpid()}-{uuid.uuid4().hex}"
        # Locked before it gets the name that others look for.
        draft, self._path = self._directory / f"{name}.new", self._directory / f"{name}.jsonl"
        draft.touch(mode=0o600)
        file = io.FileIO(draft, "r+b")
        _lock(file)
        draft.rename(self._path)
        return file


def _lock(file: io.FileIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _line(row: UsageRow) -> bytes:
    return orjson.dumps(asdict(row)) + b"\n"


def _read(file: io.FileIO) -> list[UsageRow]:
    file.seek(0)
    lines = file.read().split(b"\n")
    # What follows the last newline was being written when its process died: no answer was finished with it.
    return [UsageRow(**orjson.loads(line)) for line in lines[:-1] if line]
