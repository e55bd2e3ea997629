"""A budget whose counter is not in the store is counted anew from the rows, before anything is reserved on it."""

import asyncio
import time
import uuid

from app.accounts.types import Budget
from app.errors import Unavailable
from app.ledger.history import History
from app.ledger.meters import Meter
from app.ledger.periods import span
from app.ledger.store import MeterStore, Script

TIMEOUT_MS = 10_000  # of one loader; past it the next one begins
POLL_S = 0.005
HOUR_MS = 3_600_000
# A new budget does not know of requests that were admitted before it, or by a process that has not heard of it yet.
# Nothing is held for them, and only their rows tell; so it is counted again and again until they have ended.
NEW_MS = 600_000
NEW_TTL_MS = 1000
LOAD_PAUSE = 10  # times as long as counting took: where it is slow, it is done less often


class BudgetLoader:
    """Exact under concurrency, across processes.

    The loader marks the counter; until it is done, reservations and settlements that touch it wait. The rows of
    requests that hold a part of it and are not settled yet stay out of the sum, since their settlement adds them.
    """

    def __init__(self, store: MeterStore, history: History) -> None:
        self._store = store
        self._history = history
        self._loads: dict[str, asyncio.Task[None]] = {}

    async def load(self, meter: Meter, at_ms: int) -> None:
        """Make sure that a budget's counter is there. `at_ms`: a moment in its period.

        Raises Unavailable when the store or the database does not answer.
        """
        # One load for all who wait in this process, which goes on when the first of them leaves.
        task = self._loads.get(meter.key)
        if task is None:
            task = self._loads[meter.key] = asyncio.create_task(self._load(meter, at_ms))
            task.add_done_callback(lambda _: self._loads.pop(meter.key, None))
        await asyncio.shield(task)

    async def _load(self, meter: Meter, at_ms: int) -> None:
        give_up = asyncio.get_running_loop().time() + 2 * TIMEOUT_MS / 1000
        while True:
            token = uuid.uuid4().hex
            status, *rest = (await self._store.run(Script.LOAD_BEGIN, meter.key, token, TIMEOUT_MS)).decode().split()
            if status == "ready":
                return
            if status == "load":
                now_ms, *holders = rest
                try:
                    ttl_ms, fields = await self._count(meter, at_ms, int(now_ms), holders)
                    if await self._store.run(Script.LOAD_FINISH, meter.key, token, ttl_ms, *fields):
                        return
                except BaseException:
                    await self._store.run(Script.FORGET, meter.key)  # or all would wait until the mark runs out
                    raise
            if asyncio.get_running_loop().time() > give_up:
                raise Unavailable("What has been spent could not be counted in time.", retry_after_s=1)
            await asyncio.sleep(POLL_S)

    async def _count(self, meter: Meter, at_ms: int, now_ms: int, holders: list[str]) -> tuple[int, list[str | int]]:
        """How long the counter is worth keeping (0: for ever), and its fields."""
        budget = meter.source
        assert isinstance(budget, Budget)
        began = time.monotonic()
        if not meter.slot_ms:
            period = span(budget.period, at_ms)
            sums = await self._history.spent(budget.subject, period.start_ms, period.end_ms, 0, holders)
            ttl_ms = max(HOUR_MS, period.end_ms + HOUR_MS - now_ms) if period.end_ms is not None else 0
            fields: list[str | int] = ["spent", sum(sums.values())]
        else:
            head = now_ms // meter.slot_ms - meter.slots + 1
            sums = await self._history.spent(budget.subject, head * meter.slot_ms, None, meter.slot_ms, holders)
            slots = [part for pair in sums.items() for part in pair]
            ttl_ms = (meter.slots + 1) * meter.slot_ms + HOUR_MS
            fields = ["spent", sum(sums.values()), "head", head, "last", max(sums, default=head), *slots]
        if now_ms - budget.created_ms < NEW_MS:
            # What is reserved outlives the counter: it stands with the reservations.
            ttl_ms = max(NEW_TTL_MS, int((time.monotonic() - began) * 1000) * LOAD_PAUSE)
        return ttl_ms, fields
