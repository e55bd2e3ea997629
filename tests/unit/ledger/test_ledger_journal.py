"""Rows written ahead: their files are emptied while more of them come, and adopted when their process dies."""

import asyncio
from typing import Any

import pytest

from app.ledger.rows import RowWriter
from app.ledger.spool import Spool
from app.ledger.types import UsageRow
from tests.unit.ledger.shop import Shop, laptop_only, until
from tests.unit.ledger.test_ledger_rows import finish, journal_of, nothing, row


@pytest.fixture(autouse=True)
def turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.ledger.journal.TURN_ROWS", 10)


def writer(shop: Shop) -> RowWriter:
    return RowWriter(shop.open_engine(), Spool(shop.home / "ledger", 1000))


def files_of(shop: Shop) -> list[int]:
    """The lines of each file."""
    return sorted(len(path.read_bytes().splitlines()) for path in (shop.home / "ledger").glob("*.jsonl"))


async def test_the_journal_stays_small_though_rows_come_during_each_commit(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, keep, sizes = writer(shop), RowWriter._keep, list[int]()

    async def keep_while_more_come(self: RowWriter, batch: list[UsageRow]) -> Any:
        sizes.append(len(journal_of(shop)))
        if len(sizes) < 60:
            for _ in range(5):
                await rows.write_ahead(row())
        return await keep(self, batch)

    monkeypatch.setattr(RowWriter, "_keep", keep_while_more_come)
    await rows.write_ahead(row())
    await until(lambda: len(sizes) == 60 and journal_of(shop) == [])
    assert len(await shop.rows()) == 1 + 59 * 5
    assert max(sizes) <= 40
    await finish(rows)
    assert list((shop.home / "ledger").iterdir()) == []


async def test_both_files_of_a_process_that_died_are_adopted(shop: Shop) -> None:
    dead, ahead = writer(shop), [row() for _ in range(15)]
    async with dead._lock:  # a commit that takes its time
        for one in ahead:
            await dead.write_ahead(one)
        assert files_of(shop) == [5, 10]
        dead._journal.close()  # as the system does it
        assert dead._committing is not None
        dead._committing.cancel()
    alive = writer(shop)
    await alive.drain(nothing)
    assert {one.id for one in await shop.rows()} == {one.id for one in ahead}
    assert list((shop.home / "ledger").iterdir()) == []
    await finish(alive)
    await dead._engine.dispose()


@laptop_only
async def test_a_file_waits_for_its_turn_until_the_other_has_caught_up(shop: Shop) -> None:
    rows = writer(shop)
    async with rows._lock:
        for _ in range(35):
            await rows.write_ahead(row())
        assert files_of(shop) == [10, 25]
    await rows.flush()
    await until(lambda: files_of(shop) == [0, 0])
    await finish(rows)


@laptop_only
async def test_a_file_with_a_row_that_did_not_arrive_is_left_and_the_other_goes_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, stuck = writer(shop), [row() for _ in range(10)]

    async def fail(_: object) -> Any:
        raise OSError("neither database nor disk")

    with monkeypatch.context() as broken:
        broken.setattr(rows, "_keep", fail)
        for one in stuck:
            await rows.write_ahead(one)
        await rows.flush()
        await asyncio.sleep(0)
    for _ in range(5):
        await rows.write_ahead(row())
    await rows.flush()
    await until(lambda: files_of(shop) == [0, 10])
    await rows.drain(nothing)
    assert {one.id for one in stuck} <= {one.id for one in await shop.rows()}
    assert journal_of(shop) == []
    await finish(rows)
