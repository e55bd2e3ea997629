"""Migrations: the database's tables as this version of the code wants them."""

import asyncio
import fcntl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.config import ConfigError
from app.errors import Unavailable
from app.sql.boundary import foreign_errors
from app.sql.database import open_database

MIGRATIONS = Path(__file__).with_name("migrations")
# Any number that nobody else locks in this database: "sextant" as ASCII, read as a number.
ADVISORY_LOCK = int.from_bytes(b"sextant", "big")
LOCK_POLL_S = 0.05
LOCK_MARGIN_S = 5.0  # that PostgreSQL has to say that it has not got the lock


def migrate(url: URL, *, timeout_s: float = 60) -> None:
    """Bring the database to the newest revision; does nothing where it is there already.

    Any number of processes may do it at once: one works, the others wait, at most `timeout_s`. All of it
    is one transaction, so a process that dies leaves the database as it was. Blocks, and wants a thread
    without a running event loop (`asyncio.to_thread`). `url` as from `database_url`.

    Raises Unavailable when the database cannot be reached or somebody else migrates for too long, and
    ConfigError when a newer version of the code has been at it.
    """
    asyncio.run(_migrate(url, timeout_s))


async def at_head(engine: AsyncEngine) -> bool:
    """Whether the database is at this code's newest revision. Raises Unavailable."""
    with foreign_errors():
        async with engine.connect() as connection:
            return await connection.run_sync(_revision) == newest_revision()


def newest_revision() -> str:
    """The revision that this version of the code wants."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert head is not None
    return head


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's settings, which come from nowhere but here: no ini file, no logging set up."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("file_template", "r%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    return config


async def _migrate(url: URL, timeout_s: float) -> None:
    engine = open_database(url, connections=1, is_patient=True)
    try:
        with foreign_errors():
            async with _alone(engine, timeout_s) as connection:
                await connection.run_sync(_upgrade)
    except CommandError:
        raise ConfigError(
            ["the database was made by a newer version of Sextant; upgrade this one, or restore a backup"]
        ) from None
    finally:
        await engine.dispose()


@asynccontextmanager
async def _alone(engine: AsyncEngine, timeout_s: float) -> AsyncIterator[AsyncConnection]:
    """A transaction that no other process's migration overlaps."""
    if engine.url.get_backend_name() == "sqlite":
        async with _file_lock(Path(f"{engine.url.database}.lock"), timeout_s), engine.connect() as connection:
            # Python's driver begins a transaction before INSERT, not before CREATE TABLE.
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            await connection.commit()
        return
    async with engine.begin() as connection:
        async with asyncio.timeout(timeout_s + LOCK_MARGIN_S):
            await connection.execute(text(f"SET LOCAL lock_timeout = {round(timeout_s * 1000)}"))
            # Ends with the transaction, whichever way that ends.
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        yield connection


@asynccontextmanager
async def _file_lock(path: Path, timeout_s: float) -> AsyncIterator[None]:
    """A lock that ends with its process. SQLite's own does not cover the switch to WAL of a new file."""
    deadline = time.monotonic() + timeout_s
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unavailable("Another process has been migrating the database for too long.") from None
                await asyncio.sleep(LOCK_POLL_S)
        yield


def _upgrade(connection: Connection) -> None:
    command.upgrade(alembic_config(connection), "head")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
