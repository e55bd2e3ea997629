"""Usage rows become durable here: many in one commit, or on disk while the database is away.

What cost nothing need not wait for a commit: its row is in a file first, from which another process takes it should
this one die.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from sqlalchemy import BigInteger, Boolean, Integer, String, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import TypeEngine

from app.errors import Unavailable
from app.ledger.history import History
from app.ledger.journal import Journal
from app.ledger.meters import MAX_AMOUNT
from app.ledger.spool import Spool
from app.ledger.types import UsageRow
from app.sql.schema import usage

logger = logging.getLogger(__name__)

MAX_ROWS = 256  # in one commit
NAMED = sqlite.dialect(paramstyle="named")
COMMIT_TIMEOUT_S = 12.0  # longer than SQLite waits for another process's commit
FLUSH_TIMEOUT_S = 2.0
Written = Literal["inserted", "exists", "spooled"]
Settle = Callable[[Sequence[UsageRow]], Awaitable[None]]

MAX_INTEGER = 2**31 - 1
# SQLSTATE of what the values are to blame for: data exceptions, integrity constraint violations.
DATA_STATES = ("22", "23")


class RowsRefused(Unavailable):
    """The database is there, and does not take these rows for what they hold."""


class RowWriter:
    """Group commit: while one commit is under way, further rows gather for the next.

    Rows are written once by their id; a second one with the same id changes nothing. One connection is kept for
    writing, in autocommit: a commit is one statement, and one round trip.
    """

    def __init__(self, engine: AsyncEngine, spool: Spool, commit_window_ms: float = 0) -> None:
        dialect: Any = sqlite if engine.dialect.name == "sqlite" else postgresql
        self.history = History(engine)
        self._engine = engine
        self._statement = dialect.insert(usage).on_conflict_do_nothing(index_elements=["id"]).returning(usage.c.id)
        self._single = str(self._statement.compile(dialect=NAMED)) if dialect is sqlite else None
        self._spool = spool
        self._journal = Journal(spool)
        self._newest: asyncio.Future[Written] | None = None
        self._window_s = commit_window_ms / 1000
        self._queue: list[tuple[UsageRow, asyncio.Future[Written]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._connection: AsyncConnection | None = None
        self._lock = asyncio.Lock()

    @property
    def is_behind(self) -> bool:
        """Whether rows wait for the database to come back."""
        return self._spool.pending > 0

    async def write(self, row: UsageRow) -> Written:
        """Make a row durable. Raises Unavailable when neither the database nor the disk takes it."""
        return await self._enqueued(row)

    async def write_ahead(self, row: UsageRow) -> None:
        """Make a row safe from this process's death, and insert it beside what runs. Raises Unavailable when neither
        the disk nor the database takes it."""
        try:
            file = self._journal.append(_fitting(row))
        except (Unavailable, TypeError, AttributeError):
            await self.write(row)
            return
        self._enqueued(row).add_done_callback(file.caught_up)

    async def flush(self) -> None:
        """Wait until what has been written ahead by now is in the database, or for two seconds."""
        if self._newest is not None and not self._newest.done():
            await asyncio.wait([self._newest], timeout=FLUSH_TIMEOUT_S)

    async def insert(self, rows: Sequence[UsageRow]) -> set[str]:
        """Rows into the database, now. Returns the ids that were new. Raises Unavailable; nothing is spooled."""
        async with self._lock:
            return await self._insert(rows)

    async def write_off(self, row: UsageRow, amount_nano: int) -> UsageRow:
        """Take a part of a row's cost back; it becomes overrun. Raises Unavailable."""
        lower = replace(row, cost_nano=row.cost_nano - amount_nano, overrun_nano=row.overrun_nano + amount_nano)
        money = {"cost_nano": lower.cost_nano, "overrun_nano": lower.overrun_nano}
        try:
            async with self._engine.begin() as connection:
                await connection.execute(update(usage).where(usage.c.id == row.id).values(money))
        except Exception as error:
            raise _away() from error
        return lower

    async def drain(self, settle: Settle) -> None:
        """Move what is spooled, here and by processes that died, into the database, and settle it.

        A row that the database refuses for what it holds is settled too, and kept in a `.rejected` file. `settle` gets
        all rows of a file at once, when they are in the database, and must bear a row that has been settled already:
        what fails half-way is done again as a whole. Raises Unavailable.
        """
        async with self._lock:
            if self._spool.pending:
                await self._empty(self._spool, settle)
            self._journal.let_go_of_stuck()  # what it leaves is adopted here, as that of a process that died
            with contextlib.closing(self._spool.adopt()) as orphans:
                while orphan := await asyncio.to_thread(next, orphans, None):
                    await self._empty(orphan, settle)

    async def close(self) -> None:
        """Finish what is queued, and give the connection back."""
        if self._committing is not None:
            await self._committing
        async with self._lock:
            await self._disconnect()
            self._spool.close()
            self._journal.close()

    def _enqueued(self, row: UsageRow) -> "asyncio.Future[Written]":
        written = self._newest = asyncio.get_running_loop().create_future()
        self._queue.append((row, written))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit())
        return written

    async def _empty(self, spool: Spool, settle: Settle) -> None:
        rows = await asyncio.to_thread(spool.rows)
        for start in range(0, len(rows), MAX_ROWS):
            part = rows[start : start + MAX_ROWS]
            if refused := await self._insert_what_fits(part):
                await asyncio.to_thread(spool.reject, refused)
        await settle(rows)
        await asyncio.to_thread(spool.clear)
        if rows:
            logger.warning("%d spooled usage rows are dealt with now", len(rows))

    async def _insert_what_fits(self, rows: Sequence[UsageRow]) -> list[UsageRow]:
        """Insert rows, all but those that the database refuses for what they hold; returns these."""
        try:
            await self._insert(rows)
        except RowsRefused:
            if len(rows) == 1:
                return list(rows)
            middle = len(rows) // 2
            return [*await self._insert_what_fits(rows[:middle]), *await self._insert_what_fits(rows[middle:])]
        return []

    async def _commit(self) -> None:
        while self._queue:
            if self._window_s:
                await asyncio.sleep(self._window_s)
            async with self._lock:
                batch, self._queue = self._queue[:MAX_ROWS], self._queue[MAX_ROWS:]
                try:
                    results = await self._keep([row for row, _ in batch])
                except Exception as error:
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(error)
                    continue
            for (_, future), written in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(written)

    async def _keep(self, rows: list[UsageRow]) -> list[Written]:
        # What is spooled goes first, so that the database is not asked again by each request while it is away.
        if not self._spool.pending:
            try:
                new = await self._insert(rows)
                return ["inserted" if row.id in new else "exists" for row in rows]
            except Unavailable:
                logger.warning("the usage database is away: usage rows are spooled")
        await asyncio.to_thread(self._spool.append, [_fitting(row) for row in rows])
        return ["spooled"] * len(rows)

    async def _insert(self, rows: Sequence[UsageRow]) -> set[str]:
        try:
            values = [_values(row) for row in rows]
        except (TypeError, AttributeError) as error:
            raise _refused() from error
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                while True:
                    is_new = self._connection is None
                    try:
                        return await self._execute(values)
                    except Exception:
                        await self._disconnect()
                        if is_new:
                            raise
                        # The kept connection may have died while it was idle; a new one tells.
        except Exception as error:
            # The boundary: whatever keeps a row out of the database, the row must not be lost.
            await self._disconnect()
            logger.warning("usage rows: %s", type(error).__name__)
            if _is_refusal(error):
                raise _refused() from error
            raise _away() from error

    async def _execute(self, values: list[dict[str, Any]]) -> set[str]:
        if self._connection is None:
            engine = self._engine.execution_options(isolation_level="AUTOCOMMIT")
            self._connection = await engine.connect()
        if self._single is not None and len(values) == 1:
            # What goes wrong at once is tried again, so that SQLAlchemy says what it is.
            with contextlib.suppress(sqlite3.Error, OverflowError):
                return await self._execute_at_once(self._connection, self._single, values[0])
        result = await self._connection.execute(self._statement, values)
        return set(result.scalars())

    async def _execute_at_once(self, connection: AsyncConnection, statement: str, value: dict[str, Any]) -> set[str]:
        """A row by way of the driver alone: one hop to its thread instead of four, half of the time."""
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        return {row[0] for row in await driver.execute_fetchall(statement, value)}

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                await connection.invalidate()
            with contextlib.suppress(Exception):
                await connection.close()


def _away() -> Unavailable:
    return Unavailable("The usage database cannot be reached right now.", retry_after_s=5)


def _refused() -> RowsRefused:
    return RowsRefused("The usage database does not take a row.", retry_after_s=5)


def _is_refusal(error: Exception) -> bool:
    """Whether the values are to blame. Anything else may pass, and the rows with it."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        return isinstance(error, DataError | IntegrityError) or state.startswith(DATA_STATES)
    # The last one: SQLAlchemy could not make a parameter of a value.
    return isinstance(error, OverflowError) or (isinstance(error, StatementError) and isinstance(error.orig, TypeError))


def _values(row: UsageRow) -> dict[str, Any]:
    """A row as the table takes it: one that does not fit would hold up all rows behind it."""
    return {name: fit(getattr(row, name)) for name, fit in FITS}


def _fitting(row: UsageRow) -> UsageRow:
    return UsageRow(**_values(row))


def _fit_of(kind: TypeEngine[Any]) -> Callable[[Any], Any]:
    """What makes a value fit into a column: texts are clipped, numbers bounded, so that sums of them fit as well. What
    is of another kind raises TypeError or AttributeError: SQLite would take anything."""
    if isinstance(kind, String):
        return lambda text: text if text is None else text.replace("\x00", "")[: kind.length]
    if isinstance(kind, Integer):
        most = MAX_AMOUNT if isinstance(kind, BigInteger) else MAX_INTEGER
        return lambda number: min(max(number, 0), most)
    if isinstance(kind, Boolean):
        return _truth
    return lambda value: value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("not a truth value")
    return value


FITS = [(column.name, _fit_of(column.type)) for column in usage.columns]
