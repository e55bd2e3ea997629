"""A budget that comes while requests are under way that do not know of it."""

import asyncio
from typing import Any

import pytest

from app.accounts.types import Budget
from app.clock import now_ms
from app.errors import BudgetExceeded
from app.ledger.ledger import Ledger
from tests.unit.ledger.shop import Shop, budget, caller, new_id, used

PERIODS: list[dict[str, Any]] = [{"period": "month"}, {"period": "total"}, {"period": "rolling", "window_s": 3600}]


async def until_spent(ledger: Ledger, known: Budget, amount: int) -> None:
    async with asyncio.timeout(20):
        while (await ledger.balance(known)).spent_nano != amount:  # noqa: ASYNC110  the counter is made anew
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("terms", PERIODS, ids=lambda terms: terms["period"])
async def test_a_new_budget_learns_of_requests_that_do_not_know_of_it(shop: Shop, terms: dict[str, Any]) -> None:
    ledger, other = shop.ledger(), shop.ledger()
    new = budget(100, created_ms=now_ms(), **terms)
    before = await other.admit(caller(requests=99), new_id(), "small")
    await before.reserve("small", 0, 70)
    knows = await ledger.admit(caller(new), new_id(), "small")
    await knows.reserve("small", 0, 20)
    unheard = await other.admit(caller(), new_id(), "small")
    await unheard.reserve("small", 0, 10)
    await before.settle(used(cost=70))
    await unheard.settle(used(cost=10))
    await until_spent(ledger, new, 80)
    assert (await ledger.balance(new)).reserved_nano == 20  # what is reserved is not lost
    with pytest.raises(BudgetExceeded):
        await (await ledger.admit(caller(new), new_id(), "small")).reserve("small", 0, 1)
    await knows.settle(used(cost=15))
    assert (await ledger.balance(new)).spent_nano == 95


@pytest.mark.parametrize("terms", PERIODS, ids=lambda terms: terms["period"])
async def test_a_new_budget_is_counted_anew_however_much_it_is_used(shop: Shop, terms: dict[str, Any]) -> None:
    ledger, new = shop.ledger(), budget(100, created_ms=now_ms(), **terms)
    for _ in range(3):
        reservation = await ledger.admit(caller(new), new_id(), "small")
        await reservation.reserve("small", 0, 1)
        await reservation.settle(used(cost=1))
    ttls_ms = [ttl for key, ttl in shop.ttls_ms().items() if ":budget:" in key]
    assert all(ttl < 60_000 for ttl in ttls_ms)  # a second, or ten times as long as counting took


@pytest.mark.parametrize("terms", PERIODS, ids=lambda terms: terms["period"])
async def test_an_old_budget_keeps_its_counter(shop: Shop, terms: dict[str, Any]) -> None:
    ledger, old = shop.ledger(), budget(100, created_ms=now_ms() - 600_001, **terms)
    reservation = await ledger.admit(caller(old), new_id(), "small")
    await reservation.reserve("small", 0, 1)
    await reservation.settle(used(cost=1))
    (ttl_ms,) = (ttl for key, ttl in shop.ttls_ms().items() if key.startswith("{sextant}:ledger:budget:"))
    assert ttl_ms == -1 or ttl_ms > 3_600_000
