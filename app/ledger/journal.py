"""Rows that are safe from this process's death, on their way into the database: two files, written by turns.

Rows keep coming while others are committed, so one file would seldom be free of all of its rows, and grow. The one that
rests is emptied when its own have arrived.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

from app.ledger.spool import Spool
from app.ledger.types import UsageRow

TURN_ROWS = 1000  # in one file before it is the other one's turn


@dataclass(slots=True)
class JournalFile:
    """One of the two. `ahead`: its rows that are on their way; `has_stuck`: one of them did not get there."""

    spool: Spool
    ahead: int = 0
    has_stuck: bool = False

    def caught_up(self, written: "asyncio.Future[Any]") -> None:
        """A row has arrived, or failed to."""
        self.ahead -= 1
        if written.cancelled() or written.exception() is not None:
            self.has_stuck = True
        elif not self.ahead and not self.has_stuck:
            with contextlib.suppress(OSError):  # to insert them once more changes nothing
                self.spool.clear(sync=False)


class Journal:
    """This process's, in the directory of a spool. Each file is a spool of its own, to be adopted like any other."""

    def __init__(self, beside: Spool) -> None:
        self._beside = beside
        self._writing, self._resting = self._file(), self._file()

    def append(self, row: UsageRow) -> JournalFile:
        """A row, safe when this returns. Told is the file that waits for `caught_up`. Raises Unavailable."""
        if self._writing.spool.pending >= TURN_ROWS and not self._resting.ahead and not self._resting.has_stuck:
            self._writing, self._resting = self._resting, self._writing
        self._writing.spool.append([row], sync=False)
        self._writing.ahead += 1
        return self._writing

    def let_go_of_stuck(self) -> None:
        """Leave files with a row that did not arrive to whoever adopts them, and begin others in their places."""
        if self._writing.has_stuck:
            self._writing.spool.close()
            self._writing = self._file()
        if self._resting.has_stuck:
            self._resting.spool.close()
            self._resting = self._file()

    def close(self) -> None:
        self._writing.spool.close()
        self._resting.spool.close()

    def _file(self) -> JournalFile:
        return JournalFile(self._beside.beside())
