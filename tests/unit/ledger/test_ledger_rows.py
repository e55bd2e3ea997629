"""Rows are durable when `write` returns, once each, and many of them share a commit."""

import asyncio
import threading
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest
from sqlalchemy import event, text

from app.errors import Unavailable
from app.ledger.rows import RowWriter
from app.ledger.spool import Spool
from app.ledger.types import UsageRow
from app.sql.database import database_url, open_database
from tests.unit.ledger.shop import AWAY, Shop, laptop_only, new_id, until, used


def row(**fields: object) -> UsageRow:
    return replace(used(cost=1), **{"id": new_id(), **fields})  # type: ignore[arg-type]


def writer(shop: Shop, **options: float) -> RowWriter:
    return RowWriter(shop.open_engine(), Spool(shop.home / "ledger", 100), **options)


async def finish(rows: RowWriter) -> None:
    await rows.close()
    await rows._engine.dispose()


def journal_of(shop: Shop) -> list[UsageRow]:
    return [
        UsageRow(**orjson.loads(line))
        for path in (shop.home / "ledger").glob("*.jsonl")
        for line in path.read_bytes().splitlines()
    ]


async def nothing(_: object) -> None:
    """Nobody's counters."""


async def test_a_written_row_is_there_for_everybody_as_it_was(shop: Shop) -> None:
    rows, one = writer(shop), row(prompt_tokens=5, error="x", estimated=True, batch="b", overrun_nano=2**53 - 1)
    assert await rows.write(one) == "inserted"
    assert await shop.rows() == [one]
    assert await rows.history.row(one.id) == one
    assert await rows.history.row("another") is None
    await finish(rows)


async def test_concurrent_rows_share_commits(shop: Shop) -> None:
    rows, statements = writer(shop), []
    event.listen(rows._engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    assert set(await asyncio.gather(*(rows.write(row()) for _ in range(500)))) == {"inserted"}
    assert len(await shop.rows()) == 500
    assert len([statement for statement in statements if statement.startswith("INSERT")]) <= 5
    await finish(rows)


async def test_a_window_collects_rows_that_come_one_after_another(shop: Shop) -> None:
    rows, statements = writer(shop, commit_window_ms=50), []
    event.listen(rows._engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    async def later(delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        await rows.write(row())

    await asyncio.gather(*(later(n / 1000) for n in range(10)))
    assert len([statement for statement in statements if statement.startswith("INSERT")]) <= 2
    await finish(rows)


async def test_the_second_row_of_an_id_changes_nothing_and_says_so(shop: Shop) -> None:
    rows, one = writer(shop), row()
    await rows.write(one)
    results = await asyncio.gather(rows.write(replace(one, cost_nano=9)), rows.write(row()))
    assert list(results) == ["exists", "inserted"]
    assert one in await shop.rows()
    await finish(rows)


async def test_four_processes_write_at_the_same_time(shop: Shop) -> None:
    writers = [writer(shop) for _ in range(4)]
    results = await asyncio.gather(*(writers[n % 4].write(row()) for n in range(400)))
    assert set(results) == {"inserted"}
    assert len(await shop.rows()) == 400
    for one in writers:
        await finish(one)


async def test_texts_that_do_not_fit_do_not_hold_up_the_rows_behind_them(shop: Shop) -> None:
    rows = writer(shop)
    results = await asyncio.gather(rows.write(row(request_id="r\x00" + "x" * 1000)), rows.write(row()))
    assert list(results) == ["inserted", "inserted"]
    assert sorted(len(one.request_id) for one in await shop.rows()) == [1, 128]
    await finish(rows)


async def test_a_connection_that_died_while_idle_is_replaced(shop: Shop) -> None:
    rows = writer(shop)
    await rows.write(row())
    assert rows._connection is not None
    if shop.sql_url:
        async with shop.engine.connect() as connection:
            await connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            )
    else:
        await (await rows._connection.get_raw_connection()).driver_connection.close()  # type: ignore[union-attr]
    assert await rows.write(row()) == "inserted"
    await finish(rows)


async def test_numbers_that_do_not_fit_are_bounded(shop: Shop) -> None:
    rows = writer(shop)
    wild = row(prompt_tokens=2**63, completion_tokens=2**64, cached_tokens=-1, attempts=2**31, duration_ms=2**53 - 1)
    assert await rows.write(wild) == "inserted"
    (kept,) = await shop.rows()
    assert (kept.prompt_tokens, kept.completion_tokens, kept.cached_tokens) == (2**53 - 1, 2**53 - 1, 0)
    assert (kept.attempts, kept.duration_ms) == (2**31 - 1, 2**53 - 1)
    await finish(rows)


@laptop_only
async def test_numbers_that_do_not_fit_are_spooled_all_the_same(shop: Shop) -> None:
    away = RowWriter(open_database(database_url(AWAY, shop.home)), Spool(shop.home / "ledger", 100))
    assert await away.write(row(prompt_tokens=2**64)) == "spooled"
    await finish(away)
    rows = writer(shop)
    await rows.drain(nothing)
    assert [one.prompt_tokens for one in await shop.rows()] == [2**53 - 1]
    await finish(rows)


async def test_a_row_that_the_database_refuses_is_put_aside_and_holds_up_nobody(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    good = [row() for _ in range(9)]
    refused = [row(tenant=None), row(cost_nano="much"), row(estimated="maybe")]
    left, rows = Spool(shop.home / "ledger", 100), writer(shop)
    settled: list[Any] = []
    left.append([*good[:3], refused[0], *good[3:6], *refused[1:], *good[6:]])
    left.close()

    async def fail(_: object) -> None:
        raise Unavailable("The counters cannot be reached right now.")

    async def settle(some: Sequence[UsageRow]) -> None:
        settled.extend(some)

    with pytest.raises(Unavailable):
        await rows.drain(fail)
    await rows.drain(settle)
    assert sorted(one.id for one in await shop.rows()) == sorted(one.id for one in good)
    assert len(settled) == 12  # what was held for a refused one is given back too
    (path,) = (shop.home / "ledger").iterdir()
    assert (path.suffix, path.stat().st_mode & 0o777) == (".rejected", 0o600)
    assert [UsageRow(**orjson.loads(line)) for line in path.read_bytes().splitlines()] == refused
    assert path.name in caplog.text
    assert refused[0].id not in caplog.text
    await finish(rows)


async def test_a_process_gets_rid_of_a_refused_row_of_its_own(shop: Shop) -> None:
    rows = writer(shop)
    assert await rows.write(row(tenant=None)) == "spooled"
    assert rows.is_behind
    await rows.drain(nothing)
    assert not rows.is_behind
    assert await rows.write(row()) == "inserted"
    await finish(rows)
    assert [path.suffix for path in (shop.home / "ledger").iterdir()] == [".rejected"]


@laptop_only
async def test_spooled_rows_are_read_and_cleared_off_the_event_loop(shop: Shop) -> None:
    threads: list[int] = []

    class Observed(Spool):
        def rows(self) -> list[UsageRow]:
            threads.append(threading.get_ident())
            return super().rows()

        def clear(self, sync: bool = True) -> None:
            threads.append(threading.get_ident())
            super().clear(sync)

        def adopt(self) -> Generator[Spool, None, None]:
            for orphan in super().adopt():
                threads.append(threading.get_ident())
                yield orphan

    left, spool = Spool(shop.home / "ledger", 100), Observed(shop.home / "ledger", 100)
    left.append([row()])
    left.close()
    spool.append([row()])
    rows = RowWriter(shop.open_engine(), spool)
    await rows.drain(nothing)
    assert len(await shop.rows()) == 2
    assert len(threads) == 3
    assert threading.get_ident() not in threads
    await finish(rows)


@laptop_only
async def test_a_torn_last_line_is_left_out(shop: Shop) -> None:
    spool, one = Spool(shop.home / "ledger", 100), row()
    spool.append([one])
    (path,) = (shop.home / "ledger").iterdir()
    with path.open("ab") as file:
        file.write(b'{"id": "torn", "at_')
    assert spool.rows() == [one]
    spool.close()
    rows = writer(shop)
    await rows.drain(nothing)
    assert await shop.rows() == [one]
    await finish(rows)


@laptop_only
async def test_the_spool_of_a_living_process_is_its_own(shop: Shop) -> None:
    spool, rows = Spool(shop.home / "ledger", 100), writer(shop)
    spool.append([row()])
    await rows.drain(nothing)
    assert await shop.rows() == []
    spool.close()
    await rows.drain(nothing)
    assert len(await shop.rows()) == 1
    await finish(rows)


async def test_a_row_written_ahead_waits_for_no_commit_and_is_in_a_file_until_then(shop: Shop) -> None:
    rows, one, other = writer(shop), row(), row()
    async with rows._lock:  # a commit that takes its time
        await rows.write_ahead(one)
        await rows.write_ahead(other)
        assert await shop.rows() == []
        assert journal_of(shop) == [one, other]
    await rows.flush()
    assert sorted(each.id for each in await shop.rows()) == sorted([one.id, other.id])
    await until(lambda: journal_of(shop) == [])
    assert not rows.is_behind
    await finish(rows)
    assert list((shop.home / "ledger").iterdir()) == []


async def test_what_was_written_ahead_by_a_process_that_died_is_inserted_and_settled_by_another(shop: Shop) -> None:
    dead, one, settled = writer(shop), row(), list[str]()
    async with dead._lock:
        await dead.write_ahead(one)
        dead._journal.close()  # as the system does it
        assert dead._committing is not None
        dead._committing.cancel()

    async def settle(some: Sequence[UsageRow]) -> None:
        settled.extend(each.id for each in some)

    rows = writer(shop)
    await rows.drain(settle)
    assert (await shop.rows(), settled) == ([one], [one.id])
    assert list((shop.home / "ledger").iterdir()) == []
    await finish(rows)
    await dead._engine.dispose()


@laptop_only
async def test_a_row_written_ahead_while_the_database_is_away_is_spooled(shop: Shop) -> None:
    away, one = RowWriter(open_database(database_url(AWAY, shop.home)), Spool(shop.home / "ledger", 100)), row()
    await away.write_ahead(one)
    await away.flush()
    assert away.is_behind
    await finish(away)
    rows = writer(shop)
    await rows.drain(nothing)
    assert await shop.rows() == [one]
    await finish(rows)


async def test_what_neither_database_nor_spool_took_is_drained_from_the_journal(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, one = writer(shop), row()

    async def fail(_: object) -> set[str]:
        raise Unavailable("away")

    def full(*_: object) -> None:
        raise Unavailable("full")

    with monkeypatch.context() as broken:
        broken.setattr(rows, "_insert", fail)
        broken.setattr(rows._spool, "append", full)
        await rows.write_ahead(one)
        await rows.flush()
    assert journal_of(shop) == [one]
    await rows.write_ahead(row())
    await rows.flush()
    assert journal_of(shop)[0] == one
    await rows.drain(nothing)
    assert one in await shop.rows()
    assert journal_of(shop) == []
    await finish(rows)


@pytest.mark.parametrize("reason", ["full", "disk"])
async def test_where_no_file_takes_it_a_row_written_ahead_waits_for_the_database(shop: Shop, reason: str) -> None:
    rows, one = RowWriter(shop.open_engine(), Spool(shop.home / "ledger", 0 if reason == "full" else 100)), row()
    if reason == "disk":
        (shop.home / "ledger").write_text("a file where the directory should be")
    await rows.write_ahead(one)
    assert await shop.rows() == [one]
    await finish(rows)


@laptop_only
async def test_an_unreadable_spool_is_left_and_holds_nothing_up(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    (shop.home / "ledger").mkdir()
    (shop.home / "ledger" / "1-bad.jsonl").write_bytes(b"?\n")
    good = Spool(shop.home / "ledger", 100)
    good.append([row()])
    good.close()
    rows = writer(shop)
    await rows.drain(nothing)
    assert len(await shop.rows()) == 1
    assert [path.name for path in (shop.home / "ledger").iterdir()] == ["1-bad.jsonl"]
    assert "unreadable" in caplog.text
    await finish(rows)


@laptop_only
async def test_what_was_drained_but_not_settled_is_drained_again(shop: Shop) -> None:
    left = Spool(shop.home / "ledger", 100)
    left.append([row(), row()])
    left.close()
    rows, settled = writer(shop), []

    async def fail(_: object) -> None:
        raise Unavailable("The counters cannot be reached right now.")

    async def settle(some: object) -> None:
        settled.append(some)

    with pytest.raises(Unavailable):
        await rows.drain(fail)
    await rows.drain(settle)
    await rows.drain(settle)
    assert len(settled) == 1
    assert len(await shop.rows()) == 2
    await finish(rows)


@laptop_only
async def test_a_spool_takes_no_more_than_its_bound(shop: Shop) -> None:
    spool = Spool(shop.home / "ledger", 3)
    spool.append([row(), row()])
    with pytest.raises(Unavailable):
        spool.append([row(), row()])
    spool.append([row()])
    assert len(spool.rows()) == spool.pending == 3
    spool.clear()
    spool.append([row()])
    assert len(spool.rows()) == 1
    spool.close()


@laptop_only
async def test_only_its_owner_may_read_a_spool(shop: Shop) -> None:
    spool = Spool(shop.home / "ledger", 3)
    spool.append([row()])
    (path,) = (shop.home / "ledger").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    spool.close()
