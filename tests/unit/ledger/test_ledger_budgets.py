"""Money: reserved at its worst, settled at its real cost, and never overspent."""

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from app.accounts.types import Caller
from app.errors import BudgetExceeded
from app.ledger.ledger import Ledger
from tests.unit.ledger.shop import Shop, budget, caller, laptop_only, new_id, used

COST = 1_000_003
NOON = int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()) * 1000
DAY_MS = 86_400_000


async def spend(ledger: Ledger, who: Caller, cost: int, model: str = "small", held: int | None = None) -> None:
    """A whole request. Raises BudgetExceeded, and then leaves a row without a cost."""
    reservation = await ledger.admit(who, new_id(), "small")
    try:
        await reservation.reserve(model, 10, cost if held is None else held)
    except BudgetExceeded:
        await reservation.settle(used(outcome="error"))
        raise
    await reservation.settle(used(cost, 1, 1, model))


async def test_of_1000_concurrent_requests_over_4_processes_exactly_the_300_that_fit_pass(shop: Shop) -> None:
    limit = budget(300 * COST + COST - 1)
    ledgers, who = [shop.ledger() for _ in range(4)], caller(limit)
    results = await asyncio.gather(*(spend(ledgers[n % 4], who, COST) for n in range(1000)), return_exceptions=True)
    assert Counter(type(result) for result in results) == {type(None): 300, BudgetExceeded: 700}
    balance = await ledgers[0].balance(limit)
    assert (balance.spent_nano, balance.reserved_nano) == (300 * COST, 0)
    assert len(await shop.rows()) == 1000
    assert await shop.spent() == 300 * COST
    assert shop.reservations() == 0


async def test_what_is_held_and_not_used_comes_back(shop: Shop) -> None:
    ledger, limit = shop.ledger(), budget(100)
    for _ in range(10):
        await spend(ledger, caller(limit), 10, held=100 - 10 * 9)
    with pytest.raises(BudgetExceeded):
        await spend(ledger, caller(limit), 1)
    assert (await ledger.balance(limit)).spent_nano == 100


async def test_a_cost_beyond_what_was_held_is_never_billed(shop: Shop) -> None:
    ledger, limit = shop.ledger(), budget(100)
    reservation = await ledger.admit(caller(limit), new_id(), "small")
    await reservation.reserve("small", 0, 100)
    row = await reservation.settle(used(cost=250))
    assert (row.cost_nano, row.overrun_nano) == (100, 150)
    assert (await ledger.balance(limit)).spent_nano == 100
    assert await shop.rows() == [row]


async def test_a_row_carries_what_the_reservation_knows_best(shop: Shop) -> None:
    reservation = await shop.ledger().admit(caller(budget(100)), new_id(), "small")
    await reservation.reserve("large", 0, 50)
    row = await reservation.settle(used(cost=20, model="small"))
    assert (row.id, row.at_ms, row.model) == (reservation.id, reservation.at_ms, "large")


async def test_nothing_is_billed_that_was_never_reserved(shop: Shop) -> None:
    reservation = await shop.ledger().admit(caller(budget(100)), new_id(), "small")
    row = await reservation.settle(used(cost=5))
    assert (row.cost_nano, row.overrun_nano) == (0, 5)


async def test_free_models_stay_usable_when_a_budget_is_used_up(shop: Shop) -> None:
    ledger, limit = shop.ledger(), budget(100)
    await spend(ledger, caller(limit), 100)
    reservation = await ledger.admit(caller(limit), new_id(), "small")
    assert reservation.exhausted is not None
    assert reservation.exhausted.status == 402
    await reservation.reserve("free", 10, 0)
    await reservation.settle(used(0, 5, 5, "free"))
    assert (await ledger.balance(limit)).spent_nano == 100


async def test_a_budget_with_something_left_is_not_exhausted(shop: Shop) -> None:
    ledger, limit = shop.ledger(), budget(100)
    await spend(ledger, caller(limit), 99)
    assert (await ledger.admit(caller(limit), new_id(), "small")).exhausted is None


async def test_failover_replaces_the_hold_atomically_and_keeps_it_when_refused(shop: Shop) -> None:
    ledger, limit = shop.ledger(), budget(100)
    reservation = await ledger.admit(caller(limit), new_id(), "small")
    await reservation.reserve("small", 0, 60)
    await reservation.reserve("large", 0, 100)
    assert (await ledger.balance(limit)).reserved_nano == 100
    with pytest.raises(BudgetExceeded):
        await reservation.reserve("huge", 0, 101)
    assert (await ledger.balance(limit)).reserved_nano == 100
    await reservation.reserve("free", 0, 0)
    assert (await ledger.balance(limit)).reserved_nano == 0


async def test_budgets_of_a_model_are_asked_when_it_is_that_model_that_answers(shop: Shop) -> None:
    ledger = shop.ledger()
    large = budget(50, id="b2", scope="model", subject="model:acme/large")
    everybodys = budget(1000, id="b3", scope="model", subject="model:*/large")
    who = Caller("acme", "k1", model_budgets={"large": (large, everybodys)})
    await spend(ledger, who, 500, "small")
    await spend(ledger, who, 50, "large")
    with pytest.raises(BudgetExceeded, match="The model's budget"):
        await spend(ledger, who, 1, "large")
    assert [(await ledger.balance(one)).spent_nano for one in (large, everybodys)] == [50, 50]


async def test_all_budgets_of_a_request_hold_or_none(shop: Shop) -> None:
    ledger = shop.ledger()
    wide = budget(1000, id="b2", scope="tenant", subject="tenant:acme")
    with pytest.raises(BudgetExceeded, match="The key's budget"):
        await spend(ledger, caller(wide, budget(10)), 11)
    assert (await ledger.balance(wide)).reserved_nano == 0


async def test_the_error_says_whose_budget_how_much_is_left_and_when_it_resets(shop: Shop) -> None:
    shop.time_ms = NOON
    ledger = shop.ledger()
    who = caller(budget(2_500_000_000, "day"))
    await spend(ledger, who, 2_499_000_000)
    with pytest.raises(BudgetExceeded) as refused:
        await spend(ledger, who, 12_000_000)
    assert refused.value.message == (
        "The key's budget of 2.5 USD a day does not suffice for a request that may cost 0.012 USD: "
        "0.001 USD are left that are neither spent nor reserved; it resets at 2026-11-25T00:00:00Z."
    )


@pytest.mark.parametrize("period", ["day", "week", "month"])
async def test_a_new_period_begins_with_a_whole_budget(shop: Shop, period: str) -> None:
    shop.time_ms = NOON
    ledger, limit = shop.ledger(), budget(100, period)
    late = await ledger.admit(caller(limit), new_id(), "small")
    await late.reserve("small", 0, 40)
    await spend(ledger, caller(limit), 60)
    with pytest.raises(BudgetExceeded):
        await spend(ledger, caller(limit), 1)
    balance = await ledger.balance(limit)
    assert balance.resets_ms is not None
    shop.time_ms = balance.resets_ms
    await spend(ledger, caller(limit), 100)
    await late.settle(used(cost=40))  # of the old period, by its admission
    assert (await ledger.balance(limit)).spent_nano == 100
    shop.time_ms = balance.resets_ms - 1
    assert (await ledger.balance(limit)).spent_nano == 100


async def test_a_total_budget_never_resets(shop: Shop) -> None:
    shop.time_ms = NOON
    ledger, limit = shop.ledger(), budget(100, "total")
    await spend(ledger, caller(limit), 100)
    shop.time_ms = NOON + 4000 * DAY_MS
    with pytest.raises(BudgetExceeded, match="it does not reset"):
        await spend(ledger, caller(limit), 1)


async def test_no_window_of_a_rolling_budget_ever_holds_more_than_its_amount(shop: Shop) -> None:
    shop.time_ms = NOON
    ledger, limit = shop.ledger(), budget(100, "rolling", window_s=3600)
    for step in range(120):
        shop.time_ms = NOON + step * 171_000
        with suppress(BudgetExceeded):
            await spend(ledger, caller(limit), 30)
        if step == 60:
            await ledger.rebuild()  # and not if it is loaded from the rows midway
    rows = [row for row in await shop.rows() if row.cost_nano]
    assert len(rows) >= 3 * 120 * 171_000 // (3_600_000 + 120_000) - 3
    for row in rows:
        assert sum(r.cost_nano for r in rows if row.at_ms <= r.at_ms < row.at_ms + 3_600_000) <= 100


async def test_a_budget_that_comes_late_counts_what_its_subject_has_spent_before(shop: Shop) -> None:
    ledger = shop.ledger()
    await spend(ledger, caller(), 70)
    assert (await ledger.balance(budget(100))).spent_nano == 70
    for subject, scope in (("customer:acme/bob", "customer"), ("tenant:acme", "tenant"), ("model:*/small", "model")):
        assert (await ledger.balance(budget(100, id=scope, scope=scope, subject=subject))).spent_nano == 70
    assert (await ledger.balance(budget(100, id="x", subject="key:k2"))).spent_nano == 0


async def test_counters_are_exact_when_they_are_forgotten_in_the_midst_of_everything(shop: Shop) -> None:
    ledgers, limits = [shop.ledger() for _ in range(3)], [budget(90), budget(200, "rolling", id="b2", window_s=3600)]
    who = caller(*limits)

    async def forget_again_and_again() -> None:
        while True:
            await ledgers[0].rebuild()
            await asyncio.sleep(0.01)

    forgetting = asyncio.create_task(forget_again_and_again())
    results = await asyncio.gather(*(spend(ledgers[n % 3], who, 1) for n in range(240)), return_exceptions=True)
    forgetting.cancel()
    assert Counter(type(result) for result in results) == {type(None): 90, BudgetExceeded: 150}
    for limit in limits:
        balance = await ledgers[1].balance(limit)
        assert (balance.spent_nano, balance.reserved_nano) == (90, 0)


async def test_a_raised_budget_holds_at_once(shop: Shop) -> None:
    ledger = shop.ledger()
    await spend(ledger, caller(budget(100)), 100)
    await spend(ledger, caller(budget(150)), 50)
    assert (await ledger.balance(budget(150))).spent_nano == 150


@laptop_only
async def test_amounts_of_9_million_usd_are_counted_to_the_nano(shop: Shop) -> None:
    ledger, limit = shop.ledger(), budget(2**53 - 1)
    await spend(ledger, caller(limit), 2**53 - 10)
    await spend(ledger, caller(limit), 8)
    with pytest.raises(BudgetExceeded):
        await spend(ledger, caller(limit), 2)
    await ledger.rebuild()
    await spend(ledger, caller(limit), 1)
    assert (await ledger.balance(limit)).spent_nano == 2**53 - 1


async def test_a_rolling_budget_holds_when_the_clock_is_set_back_by_more_than_its_window(shop: Shop) -> None:
    shop.time_ms = NOON
    ledger, limit = shop.ledger(), budget(100, "rolling", window_s=3600)
    await spend(ledger, caller(limit), 60)
    shop.time_ms = NOON - DAY_MS
    await spend(ledger, caller(limit), 30)
    with pytest.raises(BudgetExceeded):
        await spend(ledger, caller(limit), 11)
    assert (await ledger.balance(limit)).spent_nano == 90
