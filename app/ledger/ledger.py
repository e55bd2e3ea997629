"""Limits and budgets of requests: reserved before, settled after, and never overspent.

    admit    requests per minute and concurrency; reads the rest           one script in the store
    reserve  tokens per minute and money, before each attempt              one script
    settle   the usage row durable in SQL (a free one: in a file, and soon  one group commit, one script
             in SQL), then the counters

The rows are the truth, and the counters follow from them: budgets that the store does not have are loaded from the
rows before anything is reserved on them. Windows of requests and tokens are not: a store that loses its data forgets
the last minute. A request whose process dies is settled by another one, when its lease has run out.
"""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import orjson

from app.accounts.types import Budget, Caller
from app.clock import now_ms
from app.config.accounts import LedgerConfig
from app.errors import Unavailable
from app.ledger.counters import Counters
from app.ledger.meters import admission, money
from app.ledger.periods import span
from app.ledger.reaper import reap
from app.ledger.refusal import refusal
from app.ledger.reservation import Reservation, applicable
from app.ledger.rows import MAX_ROWS, RowWriter
from app.ledger.store import MeterStore, StoreFailed
from app.ledger.types import Balance, UsageRow

logger = logging.getLogger(__name__)

HEARTBEAT_BATCH = 500  # reservations in one script, so that it does not hold the store up
ORPHAN_BATCH = 32  # settled at the same time: as many as there are connections


class Ledger:
    """One for each process. Its store and its rows are shared by all of them."""

    def __init__(
        self, config: LedgerConfig, store: MeterStore, rows: RowWriter, clock: Callable[[], int] = now_ms
    ) -> None:
        self._config = config
        self._store = store
        self._rows = rows
        self._clock = clock
        self._counters = Counters(store, rows.history, uuid.uuid4().hex, config.lease_s)
        self._live: dict[str, Reservation] = {}
        # Perhaps admitted by the store, but nobody here knows of it: id, and when (monotonic seconds).
        self._orphans: dict[str, float] = {}
        # Since when our heartbeats have come through, and the last one that did (monotonic seconds; None: none did).
        self._steady_since: float | None = None
        self._last_beat = 0.0

    async def admit(
        self,
        caller: Caller,
        reservation_id: str,
        requested_model: str,
        *,
        request_id: str = "",
        operation: str = "",
    ) -> Reservation:
        """Let a request in, or not. What is taken (one of requests per minute, one of concurrency) is all or nothing.

        When no limit or budget can apply, the store is not asked and nothing is kept of the request until it settles:
        should its process die, no budget is short of anything, and a row without a cost that anybody pays is missing.
        Raises RateLimited, and Unavailable: the store failed and that refuses, or the database is away.
        """
        if self._rows.is_behind:
            raise Unavailable("The usage database is away; requests wait until it is back.", retry_after_s=5)
        rules = applicable(caller, requested_model)
        at_ms = self._clock()
        meters = admission(rules, caller.budgets, at_ms)
        verdict = None
        if meters or caller.model_budgets:
            who = orjson.dumps(
                {
                    "request_id": request_id,
                    "tenant": caller.tenant,
                    "key_id": caller.key_id,
                    "customer": caller.customer,
                    "operation": operation,
                    "requested_model": requested_model,
                    "batch": caller.batch,
                }
            )
            try:
                verdict = await self._counters.admit(reservation_id, who, meters, at_ms)
            except BaseException as error:
                self._orphans[reservation_id] = time.monotonic()
                if not isinstance(error, StoreFailed) or self._config.on_store_failure == "closed":
                    raise
            else:
                at_ms = verdict.now_ms  # the store's clock is everybody's
                if verdict.refused:
                    raise refusal(verdict, verdict.readings)
        return Reservation(
            reservation_id,
            caller,
            rules,
            self._counters,
            self._rows,
            live=self._live,
            fails_open=self._config.on_store_failure == "open",
            at_ms=at_ms,
            admitted=verdict,
        )

    async def balance(self, budget: Budget) -> Balance:
        """What is spent and reserved of a budget in its period. Raises Unavailable."""
        at_ms = self._clock()
        reading = (await self._counters.read([money(budget, 0, "b", at_ms)], at_ms)).readings[0]
        resets_ms = None if budget.period == "rolling" else span(budget.period, at_ms).end_ms
        return Balance(reading.spent, reading.reserved, resets_ms)

    async def rebuild(self) -> None:
        """Forget the counters of all budgets: each is loaded from the rows when it is needed next.

        What is reserved is not forgotten. Raises Unavailable.
        """
        await self._counters.forget_all()

    async def ping(self) -> bool:
        """Whether requests can be admitted: the store answers, and no rows wait for the database."""
        return not self._rows.is_behind and await self._store.ping()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Renews leases, and tends to what is left over here and by others. Closes the rows and the store at its end.

        What is not settled by then is settled by another process, or by the next start.
        """
        ending = asyncio.Event()
        tasks = [
            asyncio.create_task(self._every_heartbeat(work, ending), name=f"ledger {work.__name__}")
            for work in (self._renew, self._tend)  # apart: a database that hangs must not cost us our leases
        ]
        try:
            yield
        finally:
            ending.set()  # rather than cancel: what is under way ends whole
            await asyncio.gather(*tasks)
            await self._rows.close()
            await self._store.close()

    async def _every_heartbeat(self, work: Callable[[], Awaitable[None]], ending: asyncio.Event) -> None:
        while not ending.is_set():
            try:
                await work()
            except Unavailable:
                pass  # logged where it arose; the next beat tries again
            except Exception as error:
                logger.error("the ledger's heartbeat failed: %s", type(error).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._config.heartbeat_s):
                    await ending.wait()

    async def _renew(self) -> None:
        live, began = list(self._live.values()), time.monotonic()
        try:
            for start in range(0, max(1, len(live)), HEARTBEAT_BATCH):  # without any as well: is the store there?
                batch = live[start : start + HEARTBEAT_BATCH]
                for lost in await self._counters.renew((one.id, one.take_progress()) for one in batch):
                    if lost in self._live:
                        self._live[lost].lose()
        except BaseException:
            self._steady_since = None
            raise
        # Until here the beat before counts: the reaper keeps the same time, and would meet one under way each time.
        if self._steady_since is None or self._is_silent(began):
            self._steady_since = began
        self._last_beat = time.monotonic()

    async def _tend(self) -> None:
        await self._settle_orphans()
        await self._counters.forget_stale()
        await self._rows.drain(self._settle_drained)
        if self._may_reap():
            await reap(self._counters, self._rows, self._live)

    def _may_reap(self) -> bool:
        """After the store was away, leases have run out whose owners live. Each has a lease's time to renew its own."""
        now = time.monotonic()
        is_steady = self._steady_since is not None and now - self._steady_since >= self._config.lease_s
        return is_steady and not self._is_silent(now)

    def _is_silent(self, now: float) -> bool:
        """Whether the last heartbeat that came through is so long ago that we may have missed an outage."""
        return now - self._last_beat > self._config.lease_s

    async def _settle_orphans(self) -> None:
        expired = time.monotonic() - self._config.lease_s
        # A store that stays away leaves one with each request; the old ones are the reaper's.
        self._orphans = {orphan: since for orphan, since in self._orphans.items() if since > expired}
        orphans = list(self._orphans)
        for start in range(0, len(orphans), ORPHAN_BATCH):
            await asyncio.gather(*(self._settle_orphan(orphan) for orphan in orphans[start : start + ORPHAN_BATCH]))

    async def _settle_orphan(self, orphan: str) -> None:
        await self._counters.settle(orphan, 0, 0)
        self._orphans.pop(orphan, None)

    async def _settle_drained(self, rows: Sequence[UsageRow]) -> None:
        has_lost = False
        for start in range(0, len(rows), MAX_ROWS):
            part = rows[start : start + MAX_ROWS]
            settled = await asyncio.gather(
                *(self._counters.settle(r.id, r.cost_nano, r.prompt_tokens + r.completion_tokens) for r in part)
            )
            # What cost nothing is missing from no budget: most such rows were settled, or held nothing.
            has_lost = has_lost or any(
                row.cost_nano and not was_there for row, was_there in zip(part, settled, strict=True)
            )
        if has_lost:  # the store has lost some, and with them which budgets they were of
            await self._counters.forget_all()
