"""Removing contents that nobody can reach: what a process left that was killed between two steps.

A file is written before its row and removed after it, and the results of a batch lie there before it ends.
So a content that is neither shown nor an unfinished batch's is on its way or left behind; age tells which.
"""

import asyncio
import itertools
import logging
import re
import time
from collections.abc import Iterable
from pathlib import Path

from app.batches.batch_records import BatchRecords
from app.batches.files import LOCK, FileStore

logger = logging.getLogger(__name__)

AT_ONCE = 500  # names in one question to the database
BATCH = re.compile(rf"file-(.+)-(?:output|error)|batch_(.+){re.escape(LOCK)}")


async def sweep(files: FileStore, records: BatchRecords, older_than_s: float) -> int:
    """Remove what is older than that and nobody's; returns the number of files. Raises Unavailable."""
    # A database that is younger than a content cannot tell whose it is: an empty one may stand in for the true one.
    known_since_ms = await records.first_file_ms()
    since_s = float("inf") if known_since_ms is None else known_since_ms / 1000
    stale = files.stale(since_s, time.time() - older_than_s)
    removed = 0
    while paths := await asyncio.to_thread(lambda: list(itertools.islice(stale, AT_ONCE))):
        unclaimed = await records.unclaimed({path.name: _batch_of(path.name) for path in paths})
        removed += await asyncio.to_thread(_remove, [path for path in paths if path.name in unclaimed])
    return removed


def _batch_of(name: str) -> str | None:
    """The batch whose results or lock this is."""
    found = BATCH.fullmatch(name)
    return f"batch_{found[1] or found[2]}" if found else None


def _remove(paths: Iterable[Path]) -> int:
    removed = 0
    for path in paths:
        try:
            path.unlink()
            removed += 1
        except FileNotFoundError:
            pass  # another process sweeps
        except OSError as error:
            logger.warning("files: %s cannot be removed: %s", path.name, type(error).__name__)
    return removed
