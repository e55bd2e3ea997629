"""What one request holds of its limits and budgets, from admission to settlement."""

import asyncio
import logging
from collections.abc import MutableMapping
from dataclasses import replace

import orjson

from app.accounts.types import Budget, Caller, LimitRule
from app.errors import BudgetExceeded, Unavailable
from app.ledger.counters import Counters, Reading, Verdict
from app.ledger.meters import Meter, money, tokens
from app.ledger.refusal import budget_exceeded, check_fits, rate_limit_headers, refusal
from app.ledger.rows import RowWriter, Written
from app.ledger.store import StoreFailed
from app.ledger.types import UsageRow

logger = logging.getLogger(__name__)


class Reservation:
    """A request's account. Made by `Ledger.admit`; to be settled, whatever happens.

    `lost` is set when another process has taken this request for dead and billed what it knew of it: the generation
    must end then, and its answer must not be finished. `exhausted` is the error of a budget that is used up already.
    """

    def __init__(
        self,
        reservation_id: str,
        caller: Caller,
        rules: tuple[LimitRule, ...],
        counters: Counters,
        rows: RowWriter,
        *,
        live: MutableMapping[str, "Reservation"],
        fails_open: bool,
        at_ms: int,
        admitted: Verdict | None,
    ) -> None:
        self.id = reservation_id
        self.at_ms = at_ms
        self.lost = asyncio.Event()
        self.exhausted = _exhausted(admitted) if admitted else None
        self._caller = caller
        self._rules = rules
        self._counters = counters
        self._rows = rows
        self._live = live
        self._fails_open = fails_open
        # Nothing applies, or the store failed and that lets requests pass: there is nothing of it in the store.
        self._is_counted = admitted is not None
        self._readings: dict[str, Reading] = {r.meter.key: r for r in admitted.readings} if admitted else {}
        self._model = ""
        self._held_nano = 0
        self._holds = False
        self._budgets: list[Meter] = []  # that the hold is on, or should be
        self._in_doubt: list[Meter] = []  # that it may be on instead
        self._has_missed = not self._is_counted  # they do not know of it all
        self._progress: dict[str, int | str] | None = None
        self._settlement: asyncio.Task[UsageRow] | None = None
        if self._is_counted:
            live[self.id] = self

    def headers(self) -> dict[str, str]:
        """`x-ratelimit-*`; none when no limit applies."""
        return rate_limit_headers(self._readings.values())

    async def reserve(self, model: str, tokens: int, cost_nano: int) -> None:
        """Hold for an attempt at `model` the most that it can use, in place of what an earlier attempt held.

        What is refused changes nothing. A free attempt passes whatever the budgets say.
        Raises BudgetExceeded, RateLimited, Unavailable; InvalidRequest when it is more than a limit ever allows.
        """
        meters = self._wanted(model, tokens, cost_nano)
        budgets = [meter for meter in meters if meter.mode == "m"]
        if self._is_counted:
            try:
                await self._hold(model, cost_nano, meters)
            except (StoreFailed, asyncio.CancelledError) as error:
                if not self._fails_open or not isinstance(error, StoreFailed):
                    # The store may hold for either attempt now: bill what both can pay.
                    self._held_nano = min(self._held_nano, cost_nano)
                    self._has_missed, self._in_doubt = True, budgets
                    raise
                self._has_missed = True
        self._model, self._held_nano, self._budgets, self._progress = model, cost_nano, budgets, None

    def progress(self, cost_nano: int, prompt_tokens: int, completion_tokens: int, model: str, provider: str) -> None:
        """Tell what the request has cost so far. It goes out with the next heartbeat, and is what a crash is billed."""
        self._progress = {
            "cost_nano": min(cost_nano, self._held_nano),
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "model": model,
            "provider": provider,
        }

    def take_progress(self) -> bytes:
        """What has been told since the last call; empty when nothing has. For the heartbeat."""
        told, self._progress = self._progress, None
        return orjson.dumps(told) if told else b""

    def lose(self) -> None:
        """The heartbeat has found that the reservation is not ours any more."""
        if self._settlement is None:  # a settlement finds out by itself
            self._live.pop(self.id, None)
            self.lost.set()

    async def settle(self, row: UsageRow) -> UsageRow:
        """Make the row durable, then give back what is held and count what was used. Once; later calls tell the same.

        The id, the time of admission and, where it cost anything, the model are the reservation's. Billed is no more
        than what was held; the rest is `overrun_nano`. It goes on when the caller is cancelled.
        Raises Unavailable when the row could be kept nowhere, or another process has billed the request as crashed:
        then its answer must not be finished.
        """
        if self._settlement is None:
            self._settlement = asyncio.create_task(self._settle(self._billed(row)))
        return await asyncio.shield(self._settlement)

    async def release(self) -> None:
        """Give back what is held, without a row: nothing was used. In place of `settle`.

        When the counters cannot be reached the lease runs out, and the reaper writes a row without a cost.
        """
        try:
            if self._is_counted:
                await self._counters.settle(self.id, 0, 0)
        except Unavailable:
            logger.warning("a release is left to the reaper: the counters cannot be reached")
        finally:
            self._live.pop(self.id, None)

    def _wanted(self, model: str, amount: int, cost_nano: int) -> list[Meter]:
        wanted = tokens(self._rules, amount) if amount else []
        if cost_nano:
            budgets = (*self._caller.budgets, *self._caller.model_budgets.get(model, ()))
            wanted.extend(money(budget, cost_nano, "m", self.at_ms) for budget in budgets)
        return wanted

    async def _hold(self, model: str, cost_nano: int, meters: list[Meter]) -> None:
        if not meters and not self._holds:
            return
        check_fits(meters)
        verdict = await self._counters.reserve(self.id, cost_nano, model, meters, self.at_ms)
        if verdict is None:
            self.lose()
            raise Unavailable("The request was taken for dead by another process.", retry_after_s=1)
        self._readings.update((reading.meter.key, reading) for reading in verdict.readings)
        if verdict.refused:
            raise refusal(verdict, self._readings.values())
        self._holds = bool(meters)

    def _billed(self, row: UsageRow) -> UsageRow:
        cost_nano = min(row.cost_nano, self._held_nano)
        return replace(
            row,
            id=self.id,
            at_ms=self.at_ms,
            model=self._model if cost_nano else row.model,  # whose budgets have paid
            cost_nano=cost_nano,
            overrun_nano=row.overrun_nano + row.cost_nano - cost_nano,
        )

    async def _settle(self, row: UsageRow) -> UsageRow:
        try:
            if not row.cost_nano and not self._budgets:
                return await self._settle_ahead(row)
            written = await self._rows.write(row)
            return await self._counted(await self._standing() if written == "exists" else row, written)
        finally:
            self._live.pop(self.id, None)

    async def _settle_ahead(self, row: UsageRow) -> UsageRow:
        """There is no money whose row must stand before it is given back: a hit of the cache, for one. Its answer waits
        for no database."""
        await self._rows.write_ahead(row)
        row = await self._counted(row, "inserted")
        # Where the counters know nothing of it, another process may have billed it as crashed.
        if self._is_counted and self._has_missed and await self._rows.write(row) == "exists":
            return await self._standing()
        return row

    async def _counted(self, row: UsageRow, written: Written) -> UsageRow:
        try:
            return await self._count(row, written)
        except Unavailable:
            # Once the row is durable the answer may be finished. The lease runs out, and the row settles it then.
            logger.warning("a settlement is left to the reaper: the counters cannot be reached")
            return row

    async def _count(self, row: UsageRow, written: Written) -> UsageRow:
        if self._has_missed:
            self._mark_stale()
        if self._is_counted:
            used = row.prompt_tokens + row.completion_tokens
            if not await self._counters.settle(self.id, row.cost_nano, used, park=written == "spooled"):
                self._has_missed = True
        if self._has_missed and self._budgets:
            # The store failed, or has lost data, or another process was quicker: the rows know better.
            self._mark_stale()
            await self._counters.forget_stale()
            if written == "inserted" and not self._fails_open:
                return await self._fit(row)
        return row

    def _mark_stale(self) -> None:
        self._counters.mark_stale(meter.key for meter in (*self._budgets, *self._in_doubt))

    async def _fit(self, row: UsageRow) -> UsageRow:
        """A store that lost our hold may have given its money to others: what does not fit any more is written off."""
        meters = [replace(meter, mode="b", amount=0) for meter in self._budgets]
        verdict = await self._counters.read(meters, self.at_ms)
        excess = max(reading.spent + reading.reserved - reading.meter.limit for reading in verdict.readings)
        if excess <= 0:
            return row
        row = await self._rows.write_off(row, min(excess, row.cost_nano))
        self._counters.mark_stale(meter.key for meter in meters)
        await self._counters.forget_stale()
        return row

    async def _standing(self) -> UsageRow:
        standing = await self._rows.history.row(self.id)
        if standing is None or standing.outcome == "crashed":
            raise Unavailable("The request was taken for dead by another process, and billed.", retry_after_s=1)
        return standing


def _exhausted(verdict: Verdict) -> BudgetExceeded | None:
    for reading in verdict.readings:
        budget = reading.meter.source
        if isinstance(budget, Budget) and reading.spent >= budget.amount_nano:
            return budget_exceeded(budget, reading, verdict.now_ms)
    return None


def applicable(caller: Caller, requested_model: str) -> tuple[LimitRule, ...]:
    """The limits of a request: key, customer, tenant, and the model by the name asked for.

    Who asks for `base:adapter` uses the base, so its limits hold as well.
    """
    base, colon, _ = requested_model.partition(":")
    of_base = caller.model_limits.get(base, ()) if colon else ()
    return (*caller.limits, *caller.model_limits.get(requested_model, ()), *of_base)
