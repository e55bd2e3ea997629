"""A PostgreSQL that says nothing any more, or holds a lock for ever: a 503 in time, and nothing stays locked."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from app.accounts import changes
from app.accounts.changes import change
from app.accounts.keys import NewKey
from app.accounts.store import AccountStore
from app.accounts.types import Caller
from app.batches import transaction as transactions
from app.batches.batch_records import BatchRecords
from app.batches.file_records import FileRecords
from app.batches.transaction import transaction
from app.errors import Unavailable
from app.sql import database as bounds
from app.sql.database import database_url, open_database
from app.sql.migrate import migrate
from tests.unit.accounts.conftest import empty
from tests.unit.accounts.desk import SECRETS, Desk
from tests.unit.accounts.partition import Partition
from tests.unit.wire import error_of

LIMIT_S = 0.3
CLOSING_S = 2.0  # what SQLAlchemy grants a connection to say good-bye
PATIENCE_S = LIMIT_S + CLOSING_S + 2

Act = Callable[[AsyncEngine], Awaitable[object]]
ACTS: dict[str, Act] = {
    "create a key": lambda engine: AccountStore(engine, SECRETS).keys.create(NewKey("acme")),
    "revoke a key": lambda engine: AccountStore(engine, SECRETS).keys.revoke("key_1"),
    "find a file": lambda engine: FileRecords(engine).find(Caller("acme", "k"), "file-1"),
    "list batches": lambda engine: BatchRecords(engine).page(Caller("acme", "k"), after=None, limit=10),
}


@pytest.fixture
def postgres(postgres_with_tables: URL) -> URL:
    asyncio.run(empty(postgres_with_tables))
    return postgres_with_tables


@pytest.fixture
async def wire(postgres: URL) -> AsyncIterator[Partition]:
    async with Partition(postgres) as wire:
        yield wire


@pytest.fixture
async def engine(wire: Partition) -> AsyncIterator[AsyncEngine]:
    """By way of the partition."""
    engine = open_database(wire.url)
    yield engine
    wire.is_silent = False
    await engine.dispose()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "CHANGE_TIMEOUT_S", LIMIT_S)
    monkeypatch.setattr(transactions, "TRANSACTION_TIMEOUT_S", LIMIT_S)


async def fails_in_time(act: Awaitable[object], patience_s: float = PATIENCE_S) -> None:
    started = time.monotonic()
    async with asyncio.timeout(4 * patience_s):
        with pytest.raises(Unavailable):
            await act
    assert time.monotonic() - started < patience_s


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("is_connected", [True, False], ids=["connected", "new"])
@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
async def test_a_database_that_falls_silent_is_unavailable_and_then_back(
    wire: Partition, engine: AsyncEngine, act: Act, is_connected: bool
) -> None:
    if is_connected:
        await FileRecords(engine).stored("acme")
    wire.is_silent = True
    await fails_in_time(act(engine))
    wire.is_silent = False
    assert await FileRecords(engine).stored("acme")


@pytest.mark.usefixtures("quick")
async def test_a_database_that_falls_silent_in_a_transaction_is_unavailable(
    wire: Partition, engine: AsyncEngine
) -> None:
    async def halves() -> None:
        async with transaction(engine) as connection:
            await connection.execute(text("SELECT 1"))
            wire.is_silent = True
            await connection.execute(text("SELECT 2"))

    async def commits() -> None:
        async with change(engine) as edit:
            await edit.note("tenant:a")
            wire.is_silent = True

    for act in (halves(), commits()):
        await fails_in_time(act)
        wire.is_silent = False


@pytest.mark.usefixtures("quick")
async def test_a_client_gets_a_503(wire: Partition, engine: AsyncEngine) -> None:
    desk = Desk(engine)
    await desk.directory.refresh()
    wire.is_silent = True
    async with desk.client() as client, asyncio.timeout(4 * PATIENCE_S):
        response = await client.post("/admin/v1/keys", json={"tenant": "acme"})
    assert error_of(response, 503)["code"] == "unavailable"
    assert int(response.headers["retry-after"]) > 0


async def test_what_a_machine_that_vanished_had_locked_is_free_again(
    wire: Partition, postgres: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "IDLE_TIMEOUT_S", LIMIT_S)
    monkeypatch.setattr(changes, "CHANGE_TIMEOUT_S", 5 * LIMIT_S)
    dying, living, is_gone = open_database(wire.url), open_database(postgres), asyncio.Event()

    async def vanish() -> None:
        async with change(dying) as edit:
            await edit.note("tenant:a")
            wire.is_silent = True  # and never a word again: PostgreSQL sees an open connection
            is_gone.set()
            await asyncio.Event().wait()

    vanishing = asyncio.create_task(vanish())
    await is_gone.wait()
    assert await ACTS["create a key"](living)
    vanishing.cancel()
    await asyncio.wait([vanishing])
    for engine in (dying, living):
        await engine.dispose()


async def test_a_lock_is_waited_for_only_so_long(postgres: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "LOCK_TIMEOUT_S", LIMIT_S)
    engine = open_database(postgres)
    async with engine.begin() as holder:
        await holder.execute(text("LOCK TABLE directory_version"))
        await fails_in_time(ACTS["create a key"](engine), LIMIT_S + 1)
    assert await ACTS["create a key"](engine)
    await engine.dispose()


async def test_a_statement_ends_in_time_and_its_connection_lives(
    postgres: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "STATEMENT_TIMEOUT_S", LIMIT_S)
    engine = open_database(postgres, connections=1)
    async with engine.connect() as connection:
        process = await connection.scalar(text("SELECT pg_backend_pid()"))

    async def sleep() -> None:
        async with transaction(engine) as connection:
            await connection.execute(text("SELECT pg_sleep(30)"))

    await fails_in_time(sleep(), LIMIT_S + 1)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT pg_backend_pid()")) == process
    await engine.dispose()


async def test_what_has_no_bound_of_its_own_ends_too_when_the_database_is_silent(
    wire: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "STATEMENT_TIMEOUT_S", LIMIT_S)
    monkeypatch.setattr(bounds, "COMMAND_MARGIN_S", LIMIT_S)
    engine = open_database(wire.url)
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    async with engine.connect() as connection, asyncio.timeout(10):
        wire.is_silent = True
        with pytest.raises(TimeoutError):
            await connection.execute(text("SELECT 2"))
    async with asyncio.timeout(10):
        await engine.dispose()


def test_migrations_take_as_long_as_they_take(postgres_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "STATEMENT_TIMEOUT_S", 0.001)
    monkeypatch.setattr(bounds, "COMMAND_MARGIN_S", 0.001)
    migrate(database_url(postgres_url(), Path()))


async def test_a_migration_does_not_wait_for_a_silent_database(
    wire: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.sql.migrate.LOCK_MARGIN_S", LIMIT_S)
    monkeypatch.setattr(bounds, "CONNECT_TIMEOUT_S", LIMIT_S)
    wire.is_silent = True
    await fails_in_time(asyncio.to_thread(migrate, wire.url, timeout_s=0.1))
