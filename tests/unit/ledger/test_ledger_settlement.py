"""A reservation is settled once, whoever settles it and whatever fails in between."""

import asyncio
from typing import Any

import pytest

from app.errors import BudgetExceeded, Unavailable
from app.ledger.ledger import Ledger
from app.ledger.reservation import Reservation
from tests.unit.ledger.shop import Shop, Wire, budget, caller, new_id, until, used

QUICK: dict[str, Any] = {"lease_s": 0.15, "heartbeat_s": 0.05}


async def held(ledger: Ledger, amount: int, cost: int) -> Reservation:
    reservation = await ledger.admit(caller(budget(amount), tokens=10_000, concurrent=100), new_id(), "small")
    await reservation.reserve("small", 100, cost)
    return reservation


async def balance(ledger: Ledger, amount: int) -> tuple[int, int]:
    found = await ledger.balance(budget(amount))
    return found.spent_nano, found.reserved_nano


async def test_settling_twice_tells_the_same_and_bills_once(shop: Shop) -> None:
    ledger = shop.ledger()
    reservation = await held(ledger, 100, 50)
    first, second = await asyncio.gather(reservation.settle(used(cost=30)), reservation.settle(used(cost=40)))
    assert first == second
    assert await balance(ledger, 100) == (30, 0)
    assert len(await shop.rows()) == 1


async def test_the_row_of_money_stands_before_it_is_counted(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = shop.ledger()
    reservation = await ledger.admit(caller(budget(100), tokens=100, concurrent=1), new_id(), "small")
    await reservation.reserve("small", 80, 30)
    settle = reservation._counters.settle

    async def count(*values: Any, **more: Any) -> bool:
        assert len(await shop.rows()) == 1
        return await settle(*values, **more)

    monkeypatch.setattr(reservation._counters, "settle", count)
    row = await reservation.settle(used(cost=30, prompt=10))
    assert await shop.rows() == [row]
    assert shop.reservations() == 0


async def test_a_free_row_waits_for_no_database(shop: Shop) -> None:
    ledger = shop.ledger()
    reservation = await ledger.admit(caller(budget(100), tokens=100, concurrent=1), new_id(), "small")
    async with reservation._rows._lock:  # a commit that takes its time
        row = await reservation.settle(used(cost=0, prompt=10))
        assert shop.reservations() == 0  # its place is free
        assert await shop.committed() == []
    assert await shop.rows() == [row]


async def test_a_free_row_that_was_billed_as_crashed_is_not_finished(shop: Shop) -> None:
    ledger, other = shop.ledger(**QUICK), shop.ledger(**QUICK)
    reservation = await ledger.admit(caller(budget(100), concurrent=1), new_id(), "small")
    async with other.running():
        await until(lambda: shop.reservations() == 0)
        with pytest.raises(Unavailable):
            await reservation.settle(used(cost=0))


async def test_what_is_released_is_given_back_without_a_row(shop: Shop) -> None:
    ledger, who = shop.ledger(), caller(budget(100), requests=9, tokens=100, concurrent=1)
    reservation = await ledger.admit(who, new_id(), "small")
    await reservation.reserve("small", 80, 60)
    assert await balance(ledger, 100) == (0, 60)
    await reservation.release()
    assert await balance(ledger, 100) == (0, 0)
    assert shop.reservations() == 0
    assert ledger._live == {}
    assert await shop.rows() == []
    headers = (await ledger.admit(who, new_id(), "small")).headers()  # and its place is free
    assert headers["x-ratelimit-remaining-tokens"] == "100"
    assert headers["x-ratelimit-remaining-requests"] == "7"  # it did ask


async def test_wild_token_counts_do_not_hold_a_settlement_up(shop: Shop) -> None:
    ledger = shop.ledger()
    reservation = await ledger.admit(caller(budget(100), tokens=100), new_id(), "small")
    await reservation.reserve("small", 10, 60)
    await reservation.settle(used(cost=60, prompt=2**63, completion=2**63))
    assert shop.reservations() == 0
    assert await balance(ledger, 100) == (60, 0)


async def test_settlement_goes_on_when_its_caller_is_cancelled(shop: Shop) -> None:
    ledger = shop.ledger()
    reservation = await held(ledger, 100, 50)
    waiting = asyncio.create_task(reservation.settle(used(cost=30)))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await reservation.settle(used(cost=30))
    assert await balance(ledger, 100) == (30, 0)
    assert [row.cost_nano for row in await shop.rows()] == [30]


async def test_a_live_reservation_outlives_its_lease_by_heartbeats(shop: Shop) -> None:
    ledger, other = shop.ledger(**QUICK), shop.ledger(**QUICK)
    async with ledger.running(), other.running():
        reservation = await held(ledger, 100, 50)
        await asyncio.sleep(0.5)  # more than three leases
        assert not reservation.lost.is_set()
        await reservation.settle(used(cost=30))
    assert [row.outcome for row in await shop.rows()] == ["ok"]


async def test_a_silent_process_is_billed_what_it_told_and_learns_that_it_was_taken_for_dead(shop: Shop) -> None:
    silent, other = shop.ledger(**QUICK), shop.ledger(**QUICK)
    reservation = await held(silent, 100, 50)
    reservation.progress(20, 7, 3, "small", "local")
    await silent._renew()  # the last sign of life
    async with other.running():
        await until(lambda: shop.reservations() == 0)
        assert await balance(other, 100) == (20, 0)
    await silent._renew()
    assert reservation.lost.is_set()
    with pytest.raises(Unavailable):
        await reservation.settle(used(cost=45))
    (row,) = await shop.rows()
    assert (row.outcome, row.cost_nano, row.prompt_tokens, row.completion_tokens) == ("crashed", 20, 7, 3)
    assert (row.tenant, row.key_id, row.customer, row.requested_model) == ("acme", "k1", "bob", "small")
    assert await balance(silent, 100) == (20, 0)
    after = await silent.admit(caller(tokens=10_000, concurrent=1), new_id(), "small")
    assert after.headers()["x-ratelimit-remaining-tokens"] == str(10_000 - 10)


async def test_progress_is_billed_up_to_what_is_held(shop: Shop) -> None:
    silent, other = shop.ledger(**QUICK), shop.ledger(**QUICK)
    reservation = await held(silent, 100, 50)
    reservation.progress(50, 1, 1, "small", "local")
    await silent._renew()
    await reservation.reserve("large", 100, 10)  # another attempt, of which nothing was told
    async with other.running():
        await until(lambda: shop.reservations() == 0)
    assert await balance(silent, 100) == (10, 0)


async def test_a_row_written_just_before_the_crash_stands(shop: Shop) -> None:
    dying, other = shop.ledger(**QUICK), shop.ledger(**QUICK)
    reservation = await held(dying, 100, 50)
    await dying._rows.write(reservation._billed(used(cost=33, prompt=4)))  # and its process dies here
    async with other.running():
        await until(lambda: shop.reservations() == 0)
    assert await balance(other, 100) == (33, 0)
    assert [(row.outcome, row.cost_nano) for row in await shop.rows()] == [("ok", 33)]


async def test_a_reaper_that_dies_only_delays(shop: Shop) -> None:
    dead, dying, other = (shop.ledger(**QUICK) for _ in range(3))
    await held(dead, 100, 50)
    await asyncio.sleep(0.2)
    assert len(await dying._counters.claim(10)) == 1
    async with other.running():
        await until(lambda: shop.reservations() == 0)
    assert await balance(other, 100) == (0, 0)
    assert [row.outcome for row in await shop.rows()] == ["crashed"]


async def test_a_request_that_left_while_it_was_admitted_leaves_nothing_behind(shop: Shop) -> None:
    async with Wire(shop.store_url, shop.home / "wire.sock") as wire:
        ledger = shop.ledger(store_url=wire.url, **QUICK)
        await ledger.balance(budget(100))  # connected, and the store knows the script
        wire.is_cut = True
        admission = asyncio.create_task(ledger.admit(caller(concurrent=1), new_id(), "small"))
        await until(lambda: shop.reservations() == 1)  # the store has it, and the answer does not arrive
        admission.cancel()
        with pytest.raises(asyncio.CancelledError):
            await admission
        wire.is_cut = False
        await ledger._tend()
        assert shop.reservations() == 0
        assert await shop.rows() == []
        await ledger.admit(caller(concurrent=1), new_id(), "small")


async def test_a_store_that_forgets_everything_midway_costs_no_money(shop: Shop) -> None:
    ledger, other = shop.ledger(**QUICK), shop.ledger(**QUICK)
    running = [await held(ledger, 100, 20) for _ in range(4)]
    shop.store().flushall()
    late = [await held(other, 100, 20) for _ in range(4)]  # the store does not know better
    await ledger._renew()
    assert all(reservation.lost.is_set() for reservation in running)
    rows = [await reservation.settle(used(cost=20)) for reservation in (*running, *late)]
    assert sum(row.cost_nano for row in rows) == await shop.spent() <= 100
    assert all(row.cost_nano == 20 for row in rows[4:])
    assert all(row.cost_nano + row.overrun_nano == 20 for row in rows)
    assert await balance(ledger, 100) == (await shop.spent(), 0)


async def test_counters_come_back_from_the_rows_when_the_store_has_lost_them(shop: Shop) -> None:
    ledger = shop.ledger()
    await (await held(ledger, 100, 60)).settle(used(cost=60))
    shop.store().flushall()
    with pytest.raises(BudgetExceeded):
        await held(ledger, 100, 41)
    await held(ledger, 100, 40)


async def test_rebuild_brings_counters_back_to_the_rows_and_keeps_what_is_reserved(shop: Shop) -> None:
    ledger = shop.ledger()
    await (await held(ledger, 100, 60)).settle(used(cost=60))
    await held(ledger, 100, 30)
    await shop.delete_rows()  # as an operator might correct them
    await ledger.rebuild()
    assert await balance(ledger, 100) == (0, 30)


async def test_running_ends_cleanly_and_settles_nothing(shop: Shop) -> None:
    ledger = shop.ledger(**QUICK)
    async with ledger.running():
        reservation = await held(ledger, 100, 60)
    assert shop.reservations() == 1
    assert not reservation.lost.is_set()
    assert await shop.rows() == []
