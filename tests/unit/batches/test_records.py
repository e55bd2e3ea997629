"""The rows, on SQLite and on PostgreSQL: what SQL has to decide is decided the same way by both."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.accounts.types import Caller
from app.batches.file_records import Stored
from app.batches.types import OPEN, Batch, Problem, StoredFile
from app.clock import now_ms
from app.sql.schema import metadata
from tests.postgres import PostgresServer, postgres_server  # noqa: F401 - a fixture
from tests.unit.batches.desk import Desk, open_desk

ACME, OTHER = Caller("acme", "key-1"), Caller("other", "key-3")
FILE = StoredFile("file-1", "acme", "key-1", "in.jsonl", "batch", 10, 1)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str | None:
    if request.param == "sqlite":
        return None
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create_database()


@pytest.fixture
async def desk(tmp_path: Path, database: str | None) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path, database) as opened:
        async with opened.engine.begin() as connection:
            for table in metadata.sorted_tables:
                await connection.execute(table.delete())
        await opened.file_records.add(FILE)
        yield opened


def batch_of(number: int = 1, tenant: str = "acme") -> Batch:
    return Batch(
        id=f"batch_{tenant}_{number}",
        tenant=tenant,
        customer=None,
        key_id="key-1",
        endpoint="/v1/embeddings",
        input_file=FILE.id,
        status="validating",
        created_ms=number,
        expires_ms=2**40,
        metadata={"ä": "b"},
    )


async def test_a_batch_comes_back_as_it_was_put_in(desk: Desk) -> None:
    assert await desk.batch_records.add(batch_of(), max_open=1)
    assert await desk.batch_records.get("batch_acme_1") == batch_of()
    assert await desk.batch_records.get("batch_acme_1", OTHER) is None


async def test_open_batches_are_bounded_by_tenant(desk: Desk) -> None:
    records = desk.batch_records
    assert [await records.add(batch_of(number), max_open=2) for number in (1, 2, 3)] == [True, True, False]
    assert await records.add(batch_of(1, "other"), max_open=2)
    assert await records.cancel(ACME, "batch_acme_1")
    assert await records.add(batch_of(3), max_open=2)


async def test_a_file_in_use_cannot_be_deleted_and_a_deleted_one_not_used(desk: Desk) -> None:
    await desk.batch_records.add(batch_of(1), max_open=9)
    assert not await desk.file_records.delete(ACME, FILE.id)
    await desk.batch_records.cancel(ACME, "batch_acme_1")
    assert not await desk.file_records.delete(OTHER, FILE.id)
    assert await desk.file_records.delete(ACME, FILE.id)
    assert await desk.file_records.delete(ACME, FILE.id)  # it stays deleted
    assert not await desk.file_records.delete(OTHER, FILE.id)
    assert not await desk.batch_records.add(batch_of(2), max_open=9)
    assert await desk.file_records.stored("acme") == Stored(0, 0)


async def test_of_many_who_claim_a_batch_one_gets_it(desk: Desk) -> None:
    await desk.batch_records.add(batch_of(), max_open=9)
    for before, job in ((None, "job-1"), ("job-1", "job-2")):
        claims = await asyncio.gather(*(desk.batch_records.claim("batch_acme_1", before, job) for _ in range(10)))
        assert claims.count(True) == 1
    assert not await desk.batch_records.claim("batch_acme_1", None, "job-3")


async def test_a_status_only_moves_forward(desk: Desk) -> None:
    records, name = desk.batch_records, "batch_acme_1"
    await records.add(batch_of(), max_open=9)
    await records.claim(name, None, "job")
    assert not await records.finalize(name)
    assert await records.start(name, 5)
    assert not await records.start(name, 6)
    assert await records.progress(name, 3, 1) == "in_progress"
    assert not await records.cancel(OTHER, name)
    assert await records.cancel(ACME, name)
    assert not await records.cancel(ACME, name)
    assert not await records.finalize(name)
    seen = await records.get(name)
    assert seen is not None
    assert (seen.status, seen.total, seen.completed, seen.failed) == ("cancelling", 5, 3, 1)
    output = StoredFile("file-out", "acme", "key-1", "out", "batch_output", 1, 2)
    stale = batch_of()  # as it was read before all that
    assert not await records.finish(stale, "completed", output=output)
    assert await desk.file_records.find(ACME, "file-out") is None
    problem = Problem("code", "message", 1, "param")
    assert await records.finish(seen, "cancelled", output=output, errors=[problem])
    ended = await records.get(name)
    assert ended is not None
    assert (ended.status, ended.output_file, ended.errors) == ("cancelled", "file-out", (problem,))
    assert await desk.file_records.find(ACME, "file-out") == output
    assert not await records.claim(name, "job", "job-2")
    assert await records.progress(name, 0, 0) == "cancelled"
    assert (await records.get(name)) == ended


async def test_what_has_begun_goes_on_and_every_tenants_first_batch_goes_ahead_of_any_second(desk: Desk) -> None:
    records = desk.batch_records
    for number in range(1, 5):
        await records.add(batch_of(number), max_open=9)
    await records.add(batch_of(9, "other"), max_open=9)
    await records.claim("batch_acme_3", None, "job")
    turns = [batch.id for batch in await records.unfinished(4)]
    assert turns == ["batch_acme_3", "batch_other_9", "batch_acme_1", "batch_acme_2"]
    for batch in await records.unfinished(9):
        assert batch.status in OPEN
        await records.finish(batch, "failed")
    assert await records.unfinished(9) == []


async def test_first_batches_start_beside_what_one_tenant_holds_and_all_together_are_bounded(desk: Desk) -> None:
    records = desk.batch_records
    for number in range(1, 6):
        await records.add(batch_of(number), max_open=9)
    mine = [batch.id for batch in await records.unfinished(3)]
    assert mine == ["batch_acme_1", "batch_acme_2", "batch_acme_3"]
    for name in mine:
        await records.claim(name, None, "job")
    for place, tenant in enumerate(("b", "c", "d", "e")):
        await records.add(batch_of(10 + place, tenant), max_open=9)
        await records.add(batch_of(20 + place, tenant), max_open=9)
    turns = [batch.id for batch in await records.unfinished(3)]
    assert turns == [*mine, "batch_b_10", "batch_c_11", "batch_d_12"]
    for name in turns[3:]:
        await records.claim(name, None, "job")
    assert {batch.id for batch in await records.unfinished(3)} == set(turns)
    for batch in await records.unfinished(3):
        if batch.tenant == "acme":
            await records.finish(batch, "failed")
    # Three are worked on already: first ones alone may start.
    assert [batch.id for batch in await records.unfinished(3)] == [*turns[3:], "batch_acme_4", "batch_e_13"]


async def test_a_tenant_that_had_its_turn_goes_behind_those_that_had_none(desk: Desk) -> None:
    records, now = desk.batch_records, now_ms()
    for number, tenant in enumerate(("acme", "acme", "acme", "b", "c"), start=1):
        await records.add(replace(batch_of(number, tenant), created_ms=now + number), max_open=9)
    await records.claim("batch_acme_1", None, "job")
    await records.start("batch_acme_1", 1)
    begun = await records.get("batch_acme_1")
    assert begun is not None
    await records.finish(begun, "completed")
    assert [batch.id for batch in await records.unfinished(1)] == ["batch_b_4", "batch_c_5"]


async def test_pages_break_ties_of_time_by_id(desk: Desk) -> None:
    names = sorted(f"file-{number}" for number in range(2, 7))
    for name in names:
        await desk.file_records.add(StoredFile(name, "acme", "key-1", "x", "batch_output", 1, 5))
    for ascending in (True, False):
        seen: list[str] = []
        after = None
        while page := await desk.file_records.page(
            ACME, purpose="batch_output", after=after, limit=2, ascending=ascending
        ):
            seen += [file.id for file in page]
            after = seen[-1]
        assert seen == (names if ascending else names[::-1])
    assert await desk.file_records.page(OTHER, purpose=None, after="file-1", limit=2, ascending=True) is None
