"""What can be done with the counters, and what they answer."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.errors import Unavailable
from app.ledger.history import History
from app.ledger.loading import POLL_S, BudgetLoader
from app.ledger.meters import MAX_AMOUNT, Meter
from app.ledger.store import MeterStore, Script

BUSY_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Reading:
    """A meter's state. `empty_ms`: until its window is empty again, if nothing more comes."""

    meter: Meter
    spent: int
    reserved: int
    empty_ms: int

    @property
    def remaining(self) -> int:
        """What is left of the limit."""
        return max(0, self.meter.limit - self.spent - self.reserved)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a call. `frees_ms`: when the meter that refused would let it pass; None: it never would."""

    now_ms: int
    readings: tuple[Reading, ...]
    refused: Reading | None = None
    frees_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A reservation whose process has gone silent, as it told of itself last."""

    id: str
    at_ms: int
    who: bytes
    progress: bytes
    held_nano: int | None  # None: nothing was held
    model: str


class Counters:
    """Typed calls of the scripts on behalf of one process (`owner`), which load budgets as they need them.

    All raise Unavailable: StoreFailed when the store does not answer, otherwise when a budget cannot be loaded.
    """

    def __init__(self, store: MeterStore, history: History, owner: str, lease_s: float) -> None:
        self._store = store
        self._loader = BudgetLoader(store, history)
        self._owner = owner
        self._lease_ms = int(lease_s * 1000)
        self._stale: set[str] = set()

    async def admit(self, reservation_id: str, who: bytes, meters: Sequence[Meter], at_ms: int) -> Verdict:
        """Take what the meters want, all or nothing, and open a reservation."""
        head = (reservation_id, self._owner, self._lease_ms, who)
        verdict = await self._ask(Script.ADMIT, head, meters, at_ms)
        assert verdict is not None
        return verdict

    async def read(self, meters: Sequence[Meter], at_ms: int) -> Verdict:
        """Only look."""
        return await self.admit("", b"", meters, at_ms)

    async def reserve(
        self, reservation_id: str, cost_nano: int, model: str, meters: Sequence[Meter], at_ms: int
    ) -> Verdict | None:
        """Hold for an attempt, in place of the hold before. None: the reservation is not this process's any more."""
        return await self._ask(Script.RESERVE, (reservation_id, self._owner, cost_nano, model), meters, at_ms)

    async def settle(self, reservation_id: str, cost_nano: int, tokens: int, park: bool = False) -> bool:
        """Count what was used in place of what was held. False: there is no such reservation (any more).

        `park`: the row is in a spool; the cost stays reserved until this is called again.
        """
        cost_nano, tokens = min(cost_nano, MAX_AMOUNT), min(tokens, MAX_AMOUNT)
        give_up = _time() + BUSY_TIMEOUT_S
        while True:
            answer = await self._store.run(Script.SETTLE, reservation_id, cost_nano, tokens, int(park))
            if answer != b"busy":
                return bool(answer == b"ok")
            await _pause(give_up)

    async def renew(self, progress: Iterable[tuple[str, bytes]]) -> list[str]:
        """Renew leases; the progress that is not empty is taken down. Returns the ids that are lost."""
        arguments = [part for pair in progress for part in pair]
        answer: bytes = await self._store.run(Script.HEARTBEAT, self._owner, self._lease_ms, *arguments)
        return answer.decode().split()

    async def claim(self, limit: int) -> list[Claim]:
        """Take over reservations whose lease has run out."""
        found = await self._store.run(Script.CLAIM, self._owner, self._lease_ms, limit)
        return [
            Claim(id_.decode(), int(at), who, progress, int(held) if held else None, model.decode())
            for id_, at, who, progress, held, model in found
        ]

    def mark_stale(self, meters: Iterable[str]) -> None:
        """These budgets have missed something: they are to be loaded again."""
        self._stale.update(meters)

    async def forget_stale(self) -> None:
        """Forget what was marked. When the store does not answer, the marks stay."""
        if self._stale:
            marked = list(self._stale)
            await self._store.run(Script.FORGET, *marked)
            self._stale.difference_update(marked)

    async def forget_all(self) -> None:
        """Forget all budgets; each is loaded again when it is needed next."""
        await self._store.run(Script.FORGET)

    async def _ask(
        self, script: Script, head: tuple[str | int | bytes, ...], meters: Sequence[Meter], at_ms: int
    ) -> Verdict | None:
        arguments = [*head, *(argument for meter in meters for argument in meter.arguments())]
        give_up = _time() + BUSY_TIMEOUT_S
        while True:
            status, *words = (await self._store.run(script, *arguments)).decode().split()
            if status == "gone":
                return None
            if status == "load":
                await asyncio.gather(*(self._loader.load(meters[int(word) - 1], at_ms) for word in words))
                if _time() > give_up:
                    raise _overdue()
            else:
                return _verdict(meters, [int(word) for word in words])


def _verdict(meters: Sequence[Meter], numbers: list[int]) -> Verdict:
    now_ms, refused, frees_ms, *figures = numbers
    readings = tuple(
        Reading(meter, *figures[start : start + 3])
        for meter, start in zip(meters, range(0, len(figures), 3), strict=True)
    )
    return Verdict(
        now_ms, readings, readings[refused - 1] if refused else None, frees_ms if refused and frees_ms >= 0 else None
    )


def _time() -> float:
    return asyncio.get_running_loop().time()


async def _pause(give_up: float) -> None:
    if _time() > give_up:
        raise _overdue()
    await asyncio.sleep(POLL_S)


def _overdue() -> Unavailable:
    return Unavailable("What has been spent could not be counted in time.", retry_after_s=1)
