"""What the counter store's absence leaves behind, once it is back."""

import asyncio
import time
from typing import Any

import pytest

from app.errors import Unavailable
from app.ledger.counters import Counters
from app.ledger.ledger import Ledger
from app.ledger.rows import RowWriter
from tests.unit.ledger.shop import Shop, Wire, budget, caller, laptop_only, new_id, until, used

LEASE: dict[str, Any] = {"lease_s": 0.6, "heartbeat_s": 0.1, "timeout_ms": 300}


async def test_an_outage_longer_than_a_lease_takes_no_living_request_for_dead(shop: Shop) -> None:
    async with Wire(shop.store_url, shop.home / "wire.sock") as wire:
        mine, theirs = (shop.ledger(store_url=wire.url, **LEASE) for _ in range(2))
        async with mine.running(), theirs.running():
            held = [await ledger.admit(caller(budget(100)), new_id(), "small") for ledger in (mine, theirs)]
            for reservation in held:
                await reservation.reserve("small", 0, 20)
            await until(lambda: mine._may_reap() and theirs._may_reap())
            with shop.store() as store:
                store.client_pause(1200)
            await asyncio.to_thread(shop.expiries)  # answers when the pause is over
            now_ms = time.time() * 1000
            await until(lambda: all(expiry > now_ms + 1500 for expiry in shop.expiries().values()))  # beats went on
            assert not any(reservation.lost.is_set() for reservation in held)
            for reservation in held:
                assert (await reservation.settle(used(cost=10))).outcome == "ok"
        assert [row.outcome for row in await shop.rows()] == ["ok", "ok"]


async def test_only_who_has_had_a_heartbeat_for_a_whole_lease_reaps(shop: Shop) -> None:
    quick: dict[str, Any] = {"lease_s": 1, "heartbeat_s": 0.05, "timeout_ms": 200}
    dead = await shop.ledger(**quick).admit(caller(budget(100)), new_id(), "small")
    await until(lambda: shop.expiries()[dead.id] < time.time() * 1000)
    async with Wire(shop.store_url, shop.home / "wire.sock") as wire:
        ledger = shop.ledger(store_url=wire.url, **quick)
        assert not ledger._may_reap()
        await beat_for_a_lease(ledger)
        assert ledger._may_reap()
        wire.is_cut = True
        with pytest.raises(Unavailable):
            await ledger._renew()
        assert not ledger._may_reap()
        wire.is_cut = False
        await ledger._renew()
        await ledger._tend()
        assert set(shop.expiries()) == {dead.id}
        await beat_for_a_lease(ledger)
        assert ledger._may_reap()
        ledger._last_beat -= 1  # silent for so long, it may have missed an outage
        assert not ledger._may_reap()
        await ledger._renew()
        assert not ledger._may_reap()
        async with ledger.running():
            await until(lambda: shop.reservations() == 0)
    assert [row.outcome for row in await shop.rows()] == ["crashed"]


async def test_heartbeats_that_are_always_under_way_do_not_keep_the_reaper_off(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick: dict[str, Any] = {"lease_s": 0.5, "heartbeat_s": 0.05}
    dead = await shop.ledger(**quick).admit(caller(budget(100)), new_id(), "small")
    await dead.reserve("small", 0, 20)
    renew, drain, is_beating = Counters.renew, RowWriter.drain, asyncio.Event()

    async def slow_renew(self: Counters, progress: Any) -> list[str]:
        is_beating.set()
        lost = await renew(self, progress)
        await asyncio.sleep(0.02)
        is_beating.clear()
        return lost

    async def drain_during_a_beat(self: RowWriter, settle: Any) -> None:
        await is_beating.wait()
        await drain(self, settle)

    monkeypatch.setattr(Counters, "renew", slow_renew)
    monkeypatch.setattr(RowWriter, "drain", drain_during_a_beat)
    async with shop.ledger(**quick).running():
        await until(lambda: shop.reservations() == 0)
    assert [row.outcome for row in await shop.rows()] == ["crashed"]


async def beat_for_a_lease(ledger: Ledger) -> None:
    """As if beats had gone on for a second."""
    await ledger._renew()
    assert ledger._steady_since is not None
    ledger._steady_since -= 1


async def test_a_process_never_reaps_its_own(shop: Shop) -> None:
    ledger = shop.ledger(lease_s=0.05, heartbeat_s=0.01)
    reservation = await ledger.admit(caller(budget(100)), new_id(), "small")
    await reservation.reserve("small", 0, 20)
    await until(lambda: shop.expiries()[reservation.id] < time.time() * 1000)
    ledger._steady_since, ledger._last_beat = 0.0, time.monotonic()
    assert ledger._may_reap()
    await ledger._tend()
    assert await shop.rows() == []
    assert (await reservation.settle(used(cost=10))).outcome == "ok"


@laptop_only
async def test_what_an_outage_left_is_settled_together_and_the_old_is_left_to_the_reaper(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Wire(shop.store_url, shop.home / "wire.sock") as wire:
        ledger = shop.ledger(store_url=wire.url, lease_s=60, timeout_ms=300)
        await ledger.balance(budget(100))  # connected, and the store knows the script
        wire.is_cut = True
        old = new_id()
        with pytest.raises(Unavailable):
            await ledger.admit(caller(concurrent=99), old, "small")
        admissions = [ledger.admit(caller(concurrent=99), new_id(), "small") for _ in range(40)]
        await asyncio.gather(*admissions, return_exceptions=True)
        assert len(ledger._orphans) == 41
        ledger._orphans[old] -= 61
        wire.is_cut = False
        settle, under_way = ledger._counters.settle, [0]

        async def observed(*arguments: Any) -> bool:
            under_way.append(under_way[-1] + 1)
            found = await settle(*arguments)
            under_way.append(under_way[-1] - 1)
            return found

        monkeypatch.setattr(ledger._counters, "settle", observed)
        await ledger._tend()
        assert ledger._orphans == {}
        assert max(under_way) == 32
        assert len(under_way) == 1 + 2 * 40
        assert set(shop.expiries()) == {old}
