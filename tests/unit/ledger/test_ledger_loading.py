"""A budget is loaded from the rows while requests that hold a part of it go on."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field

from app.ledger.history import History
from app.ledger.ledger import Ledger
from app.ledger.reservation import Reservation
from tests.unit.ledger.shop import Shop, budget, caller, new_id, until, used


@dataclass(frozen=True)
class Gate(History):
    """A database that has read, and tells only when it is let."""

    has_read: asyncio.Event = field(default_factory=asyncio.Event)
    may_tell: asyncio.Event = field(default_factory=asyncio.Event)

    async def spent(
        self, subject: str, since_ms: int, until_ms: int | None, slot_ms: int, without: Collection[str]
    ) -> dict[int, int]:
        found = await History.spent(self, subject, since_ms, until_ms, slot_ms, without)
        self.has_read.set()
        await self.may_tell.wait()
        return found


async def held(ledger: Ledger, cost: int) -> Reservation:
    reservation = await ledger.admit(caller(budget(100)), new_id(), "small")
    await reservation.reserve("small", 0, cost)
    return reservation


async def balance(ledger: Ledger) -> tuple[int, int]:
    found = await ledger.balance(budget(100))
    return found.spent_nano, found.reserved_nano


async def test_a_row_whose_request_is_not_settled_yet_is_counted_once(shop: Shop) -> None:
    ledger = shop.ledger()
    reservation = await held(ledger, 40)
    await ledger._rows.write(reservation._billed(used(cost=30)))
    await ledger.rebuild()
    assert await balance(ledger) == (0, 40)
    await reservation.settle(used(cost=30))
    assert await balance(ledger) == (30, 0)


async def test_settlements_and_reservations_wait_for_a_load_that_has_read_the_rows(shop: Shop) -> None:
    ledger, loader = shop.ledger(), shop.ledger()
    settling, failing_over = await held(ledger, 40), await held(ledger, 20)
    await ledger.rebuild()
    gate = Gate(loader._rows.history.engine)
    loader._counters._loader._history = gate
    loading = asyncio.create_task(loader.balance(budget(100)))
    await gate.has_read.wait()
    settlement = asyncio.create_task(settling.settle(used(cost=30)))
    reservation = asyncio.create_task(failing_over.reserve("large", 0, 50))
    async with asyncio.timeout(10):
        while not await shop.rows():  # noqa: ASYNC110  until the row is durable, and its settlement waits
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert not settlement.done()
    assert not reservation.done()
    gate.may_tell.set()
    await asyncio.gather(loading, settlement, reservation)
    assert await balance(ledger) == (30, 50)
    await ledger.rebuild()
    assert await balance(ledger) == (30, 50)


async def test_a_load_that_was_called_off_begins_again(shop: Shop) -> None:
    ledger, loader = shop.ledger(), shop.ledger()
    reservation = await held(ledger, 40)
    await ledger.rebuild()
    gate = Gate(loader._rows.history.engine)
    loader._counters._loader._history = gate
    loading = asyncio.create_task(loader.balance(budget(100)))
    await gate.has_read.wait()
    shop.store().flushall()  # and with it the mark, and the hold
    await reservation.settle(used(cost=30))
    gate.may_tell.set()
    assert (await loading).spent_nano == 30


async def test_whoever_waits_for_a_load_may_leave_without_ending_it(shop: Shop) -> None:
    ledger = shop.ledger()
    gate = Gate(ledger._rows.history.engine)
    ledger._counters._loader._history = gate
    first, second = (asyncio.create_task(ledger.balance(budget(100))) for _ in range(2))
    await gate.has_read.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    gate.may_tell.set()
    assert (await second).spent_nano == 0
    await until(lambda: not ledger._counters._loader._loads)
