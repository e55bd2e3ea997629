"""Connections to the SQL database: SQLite in the state directory, or PostgreSQL by URL."""

from pathlib import Path
from typing import Any, TypeGuard

from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

DRIVERS = {"postgresql": "postgresql+asyncpg", "sqlite": "sqlite+aiosqlite"}
CONNECT_TIMEOUT_S = 5.0
# PostgreSQL's own bounds. They hold when we are gone as well: what a machine that died had locked is free again.
LOCK_TIMEOUT_S = 10.0  # as long as SQLite waits for another writer
STATEMENT_TIMEOUT_S = 60.0
IDLE_TIMEOUT_S = 30.0  # between two statements of a transaction
PATIENT_IDLE_TIMEOUT_S = 300.0
# Our bound, for a server from which nothing comes any more: it must be the later one, since it costs the connection.
COMMAND_MARGIN_S = 5.0


def database_url(url: str | None, home: Path) -> URL:
    """The configured address with an async driver in it; by default `<home>/sextant.db`.

    A relative path of SQLite lies in `home`, so that every process means the same file.
    """
    parsed = make_url(url or "sqlite:///sextant.db")
    if parsed.get_backend_name() == "sqlite" and _is_path(parsed.database):
        parsed = parsed.set(database=str(home / parsed.database))
    return parsed.set(drivername=DRIVERS.get(parsed.drivername, parsed.drivername))


def open_database(url: URL, connections: int = 4, *, is_patient: bool = False) -> AsyncEngine:
    """An engine. Connects at first use; dispose of it when done.

    `is_patient`: a statement may take as long as it takes (migrations); else PostgreSQL ends it after a minute.
    """
    if url.get_backend_name() != "sqlite":
        arguments = _postgres_arguments(is_patient)
        return create_async_engine(
            url, pool_size=connections, max_overflow=0, pool_pre_ping=True, connect_args=arguments
        )
    engine = create_async_engine(url, pool_size=connections, max_overflow=0, connect_args={"timeout": 10})
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "invalidate", _roll_back)
    return engine


def _is_path(database: str | None) -> TypeGuard[str]:
    return bool(database) and database != ":memory:" and not str(database).startswith("file:")


def _postgres_arguments(is_patient: bool) -> dict[str, Any]:
    """asyncpg's. The settings go with each new connection, so that no role or database must be set up for them."""
    bounds = {
        "lock_timeout": LOCK_TIMEOUT_S,
        "statement_timeout": 0 if is_patient else STATEMENT_TIMEOUT_S,
        "idle_in_transaction_session_timeout": PATIENT_IDLE_TIMEOUT_S if is_patient else IDLE_TIMEOUT_S,
    }
    return {
        "timeout": CONNECT_TIMEOUT_S,
        "command_timeout": None if is_patient else STATEMENT_TIMEOUT_S + COMMAND_MARGIN_S,
        "server_settings": {name: f"{round(bound_s * 1000)}ms" for name, bound_s in bounds.items()},
    }


def _prepare_sqlite(connection: Any, _: Any) -> None:
    """Readers beside a writer (WAL), and a commit that has returned survives a power failure (FULL)."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _roll_back(connection: Any, _: Any, __: BaseException | None) -> None:
    """End the transaction of a connection that is given up, e.g. because its task was cancelled.

    Closing alone does not: SQLite keeps the connection, and its write lock, until the last cursor is gone, and
    the traceback of the cancellation holds one.
    """
    connection.rollback()
