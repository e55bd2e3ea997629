"""What happens while the counter store or the database is away."""

import asyncio
import math
import shutil
from dataclasses import replace
from typing import Any

import pytest

from app.clock import now_ms
from app.errors import Unavailable
from app.ledger.ledger import Ledger
from app.ledger.spool import Spool
from tests.unit.ledger.shop import AWAY, Shop, Wire, budget, caller, laptop_only, new_id, until, used

QUICK: dict[str, Any] = {"lease_s": 0.3, "heartbeat_s": 0.05, "timeout_ms": 300}


async def spend(ledger: Ledger, cost: int) -> None:
    reservation = await ledger.admit(caller(budget(100)), new_id(), "small")
    await reservation.reserve("small", 0, cost)
    await reservation.settle(used(cost=cost))


@laptop_only
async def test_without_its_store_a_ledger_refuses(shop: Shop) -> None:
    ledger = shop.ledger(store_url="unix:///nowhere.sock")
    with pytest.raises(Unavailable) as refused:
        await spend(ledger, 1)
    assert refused.value.retry_after_s == 1
    assert not await ledger.ping()


@laptop_only
async def test_without_its_store_an_open_ledger_lets_pass_and_records(shop: Shop) -> None:
    ledger = shop.ledger(store_url="unix:///nowhere.sock", on_store_failure="open")
    await spend(ledger, 60)
    assert await shop.spent() == 60


async def test_a_store_that_does_not_answer_in_time_has_failed_and_keeps_nothing(shop: Shop) -> None:
    async with Wire(shop.store_url, shop.home / "wire.sock") as wire:
        ledger = shop.ledger(store_url=wire.url, **QUICK)
        await ledger.balance(budget(100))  # connected, and the store knows the script
        wire.is_cut = True
        with pytest.raises(Unavailable):
            await ledger.admit(caller(concurrent=1), new_id(), "small")
        assert shop.reservations() == 1
        wire.is_cut = False
        async with ledger.running():
            await until(lambda: shop.reservations() == 0)
        assert await shop.rows() == []


async def test_what_passed_an_open_ledger_unseen_is_counted_when_the_store_is_back(shop: Shop) -> None:
    async with Wire(shop.store_url, shop.home / "wire.sock") as wire:
        ledger = shop.ledger(store_url=wire.url, on_store_failure="open", **QUICK)
        await spend(ledger, 10)
        wire.is_cut = True
        await spend(ledger, 60)
        wire.is_cut = False
        async with ledger.running():
            await until(lambda: shop.reservations() == 0)
            assert (await ledger.balance(budget(100))).spent_nano == 70


async def test_a_settlement_that_the_store_misses_is_made_up_by_the_row(shop: Shop) -> None:
    async with Wire(shop.store_url, shop.home / "wire.sock") as wire:
        ledger, other = shop.ledger(store_url=wire.url, **QUICK), shop.ledger(**QUICK)
        reservation = await ledger.admit(caller(budget(100)), new_id(), "small")
        await reservation.reserve("small", 0, 50)
        wire.is_cut = True
        shop.store().client_pause(300)  # so that the settlement comes too late as well
        await reservation.settle(used(cost=30))  # finishes: the row is durable
        async with other.running():
            await until(lambda: shop.reservations() == 0)
            found = await other.balance(budget(100))
        assert (found.spent_nano, found.reserved_nano) == (30, 0)
        assert [row.outcome for row in await shop.rows()] == ["ok"]


async def test_rows_are_spooled_while_the_database_is_away_and_drained_when_it_is_back(shop: Shop) -> None:
    # A first process whose database is away; later another one, with a database, on the same machine.
    await spend(shop.ledger(), 5)  # the counter is loaded
    cut_off = shop.ledger(sql_url=AWAY)
    reservations = [await cut_off.admit(caller(budget(100), concurrent=9), new_id(), "small") for _ in range(3)]
    for reservation in reservations:
        await reservation.reserve("small", 0, 20)
    rows = [await reservation.settle(used(cost=10)) for reservation in reservations]
    assert len(await shop.rows()) == 1
    with pytest.raises(Unavailable) as refused:
        await cut_off.admit(caller(), new_id(), "small")
    assert refused.value.retry_after_s == 5
    assert not await cut_off.ping()

    # A heartbeat that was on its way does not give them a lease again, which would run out.
    assert await cut_off._counters.renew((row.id, b"") for row in rows) == []
    assert shop.expiries() == {row.id: math.inf for row in rows}
    other = shop.ledger()
    found = await other.balance(budget(100))
    assert (found.spent_nano, found.reserved_nano) == (5, 30)  # real costs, kept until the rows arrive
    await other.rebuild()
    found = await other.balance(budget(100))
    assert (found.spent_nano, found.reserved_nano) == (5, 30)
    await other.admit(caller(concurrent=1), new_id(), "small")  # concurrency is free already
    await cut_off._rows.close()  # as when the process dies: the lock goes with it
    await other._tend()
    assert {row.id: row for row in await shop.rows() if row.id in {r.id for r in rows}} == {r.id: r for r in rows}
    found = await other.balance(budget(100))
    assert (found.spent_nano, found.reserved_nano) == (35, 0)
    assert list((shop.home / "ledger").iterdir()) == []


@laptop_only
async def test_a_ledger_whose_database_comes_back_admits_again(shop: Shop) -> None:
    database, moved = shop.home / "sextant.db", shop.home / "away"
    ledger = shop.ledger(**QUICK)
    await spend(ledger, 1)
    reservation = await ledger.admit(caller(budget(100)), new_id(), "small")
    await reservation.reserve("small", 0, 20)
    await ledger._rows._disconnect()
    await ledger._rows._engine.dispose()
    shutil.move(database, moved)
    database.mkdir()  # now it cannot be opened
    await reservation.settle(used(cost=20))
    with pytest.raises(Unavailable):
        await spend(ledger, 1)
    database.rmdir()
    shutil.move(moved, database)
    async with ledger.running():
        await until(lambda: not ledger._rows.is_behind)
        await spend(ledger, 1)
        found = await ledger.balance(budget(100))
    assert (found.spent_nano, found.reserved_nano) == (22, 0)
    assert await shop.spent() == 22


@laptop_only
async def test_a_full_spool_ends_requests_unfinished_and_their_lease_is_left_to_run_out(shop: Shop) -> None:
    await spend(shop.ledger(), 1)
    cut_off = shop.ledger(sql_url=AWAY, max_spooled_rows=1, **QUICK)
    first, second = [await cut_off.admit(caller(budget(100)), new_id(), "small") for _ in range(2)]
    for reservation in (first, second):
        await reservation.reserve("small", 0, 20)
    await first.settle(used(cost=10))
    with pytest.raises(Unavailable):
        await second.settle(used(cost=10))
    await cut_off._rows.close()
    other = shop.ledger(**QUICK)
    async with other.running():
        await until(lambda: shop.reservations() == 0)
    assert {row.id: row.outcome for row in await shop.rows() if row.cost_nano != 1} == {
        first.id: "ok",
        second.id: "crashed",
    }


async def test_an_attempt_whose_hold_is_in_doubt_bills_what_either_hold_can_pay(shop: Shop) -> None:
    async with Wire(shop.store_url, shop.home / "wire.sock") as wire:
        ledger = shop.ledger(store_url=wire.url, **QUICK)
        reservation = await ledger.admit(caller(budget(100)), new_id(), "small")
        await reservation.reserve("small", 0, 60)
        wire.is_cut = True
        with pytest.raises(Unavailable):
            await reservation.reserve("large", 0, 10)  # arrives, and nobody knows
        wire.is_cut = False
        other = await shop.ledger().admit(caller(budget(100)), new_id(), "small")
        await other.reserve("small", 0, 90)
        row = await reservation.settle(used(cost=60))
        await other.settle(used(cost=90))
        assert (row.cost_nano, row.overrun_nano) == (10, 50)
        assert (await ledger.balance(budget(100))).spent_nano == 100


async def test_a_hold_in_doubt_is_counted_for_the_model_that_the_row_names(shop: Shop) -> None:
    small, large = (budget(100, id=name, subject=f"model:acme/{name}") for name in ("small", "large"))
    who = replace(caller(), model_budgets={"small": (small,), "large": (large,)})
    async with Wire(shop.store_url, shop.home / "wire.sock") as wire:
        ledger = shop.ledger(store_url=wire.url, **QUICK)
        for one in (small, large):
            await ledger.balance(one)  # loaded
        reservation = await ledger.admit(who, new_id(), "small")
        await reservation.reserve("small", 0, 60)
        wire.is_cut = True
        with pytest.raises(Unavailable):
            await reservation.reserve("large", 0, 60)  # arrives, and nobody knows
        wire.is_cut = False
        row = await reservation.settle(used(cost=60))
        assert (row.model, row.cost_nano) == ("small", 60)
        assert [(await ledger.balance(one)).spent_nano for one in (small, large)] == [60, 0]


async def test_adopted_rows_make_no_budget_forgotten_unless_money_is_missing_and_then_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, forgotten = shop.ledger(), []
    forget_all = ledger._counters.forget_all

    async def observed() -> None:
        forgotten.append(len(await shop.rows()))
        await forget_all()

    monkeypatch.setattr(ledger._counters, "forget_all", observed)
    assert (await ledger.balance(budget(1000))).spent_nano == 0  # its counter is there
    free = [replace(used(prompt=9), id=new_id(), at_ms=now_ms()) for _ in range(600)]
    dear = [replace(used(cost=1), id=new_id(), at_ms=now_ms()) for _ in range(600)]
    for rows, expected in ((free, []), (dear, [1200])):
        left = Spool(shop.home / "ledger", 1000)
        left.append(rows)
        left.close()
        await ledger._tend()
        assert forgotten == expected  # with all rows in the database: whoever loads one now misses none
    assert (await ledger.balance(budget(1000))).spent_nano == 600


async def test_what_an_open_ledger_let_pass_between_admission_and_settlement_is_counted(shop: Shop) -> None:
    async with Wire(shop.store_url, shop.home / "wire.sock") as wire:
        ledger = shop.ledger(store_url=wire.url, on_store_failure="open", **QUICK)
        reservation = await ledger.admit(caller(budget(100)), new_id(), "small")
        shop.store().client_pause(200)
        wire.is_cut = True
        await reservation.reserve("small", 0, 60)
        await reservation.settle(used(cost=60))
        wire.is_cut = False
        async with ledger.running():
            await until(lambda: shop.reservations() == 0)
            assert (await ledger.balance(budget(100))).spent_nano == 60


@laptop_only
async def test_a_budget_that_cannot_be_loaded_refuses_even_when_the_store_may_fail_open(shop: Shop) -> None:
    ledger = shop.ledger(sql_url=AWAY, on_store_failure="open")
    with pytest.raises(Unavailable) as refused:
        await ledger.admit(caller(budget(100)), new_id(), "small")
    assert refused.value.retry_after_s == 5
    assert (await shop.ledger().balance(budget(100))).spent_nano == 0  # nobody waits for the one who failed


async def test_one_process_loads_a_budget_while_the_others_wait(shop: Shop) -> None:
    ledgers = [shop.ledger() for _ in range(4)]
    await asyncio.gather(*(spend(ledgers[n % 4], 1) for n in range(40)))
    assert (await ledgers[0].balance(budget(100))).spent_nano == 40
