"""A task that is cancelled in the middle of a transaction leaves no lock behind."""

import asyncio
from pathlib import Path

from sqlalchemy import text

from app.sql.database import database_url, open_database

# Long enough to be cancelled while SQLite works on it.
SLOW = text("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 2000000) SELECT count(*) FROM c")


async def test_a_transaction_cancelled_in_a_query_gives_its_lock_back(tmp_path: Path) -> None:
    engine = open_database(database_url(None, tmp_path))
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE counts (n INTEGER)"))
        await connection.execute(text("INSERT INTO counts VALUES (0)"))
    writing = asyncio.Event()

    async def write() -> None:
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE counts SET n = n + 1"))
            writing.set()
            await connection.execute(SLOW)

    task = asyncio.create_task(write())  # kept, and with it the traceback of its end
    await writing.wait()
    await asyncio.sleep(0.01)  # in the query
    task.cancel()
    await asyncio.wait([task])
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE counts SET n = n + 10"))
        assert await connection.scalar(text("SELECT n FROM counts")) == 10
    assert task.cancelled()
    await engine.dispose()
