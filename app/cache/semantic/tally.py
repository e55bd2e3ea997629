"""How many of a tenant's hits were judged, and how many of them were wrong: shared by all replicas, kept over restarts.

Judged are hits that an audit answered anew, and candidates that would have been served but were answered anew instead.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from valkey.asyncio import Valkey
from valkey.exceptions import ValkeyError

from app.attentive import attentive
from app.cache.semantic.labels import LabelLog, tenant_digest
from app.clock import now_ms
from app.failures import Failures
from app.interval import wilson

logger = logging.getLogger(__name__)

HOUR_MS = 3_600_000
REFRESH_MS = 10_000
Z_99 = 2.576  # 99%: the rate is looked at after every label, and must not stop a good tenant by chance
PREFIX = "sextant:semantic:judged"


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """Wrong hits among judged ones in the window, with Wilson's 99% interval."""

    tenant: str
    judged: int
    wrong: int
    low: float
    high: float
    is_past_bound: bool

    @property
    def rate(self) -> float:
        return self.wrong / self.judged if self.judged else 0.0


@dataclass(slots=True)
class _Counts:
    """One tenant, by hour since the epoch: (judged, wrong)."""

    known: dict[int, tuple[int, int]] = field(default_factory=dict)  # as the store had it last
    unsent: dict[int, tuple[int, int]] = field(default_factory=dict)
    read_ms: int | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Tally:
    """Counts in hourly buckets in Valkey. Without the store, what was known last and what was counted since holds."""

    def __init__(
        self,
        client: Valkey | None,
        *,
        max_error_rate: float,
        min_judged: int,
        window_h: int,
        timeout_s: float = 0.05,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self.labels = LabelLog(client, timeout_s)
        self._client = client
        self._bound = max_error_rate
        self._min_judged = min_judged
        self._window_h = window_h
        self._timeout_s = timeout_s
        self._clock = clock
        self._tenants: dict[str, _Counts] = {}
        self._reading: set[asyncio.Task[None]] = set()
        self._failures = Failures(logger, "semantic tally")

    async def is_past_bound(self, tenant: str) -> bool:
        """Whether the tenant's error is significantly past the bound, as last known.

        Waits for the store only at a tenant's first question; later it is asked beside, every `REFRESH_MS`.
        """
        counts = self._counts(tenant)
        if counts.read_ms is None:
            await self._sync(tenant, counts)
        elif self._clock() - counts.read_ms > REFRESH_MS and not counts.lock.locked():
            reading = asyncio.create_task(self._sync(tenant, counts))
            self._reading.add(reading)  # the loop itself keeps no task alive
            reading.add_done_callback(self._reading.discard)
        return self.rate(tenant).is_past_bound

    async def add(self, tenant: str, *, wrong: bool) -> None:
        """Count a judged hit."""
        counts = self._counts(tenant)
        hour = self._clock() // HOUR_MS
        counts.unsent[hour] = _plus(counts.unsent.get(hour), (1, int(wrong)))
        await self._sync(tenant, counts)

    def rate(self, tenant: str) -> ErrorRate:
        """The window's error rate, as last known."""
        counts = self._counts(tenant)
        first = self._clock() // HOUR_MS - self._window_h + 1
        judged = wrong = 0
        for by_hour in (counts.known, counts.unsent):
            for hour, (more, bad) in by_hour.items():
                if hour >= first:
                    judged, wrong = judged + more, wrong + bad
        low, high = wilson(wrong, judged, Z_99)
        return ErrorRate(tenant, judged, wrong, low, high, judged >= self._min_judged and low > self._bound)

    def rates(self) -> list[ErrorRate]:
        """Of all tenants that this process knows."""
        return [self.rate(tenant) for tenant in sorted(self._tenants)]

    def _counts(self, tenant: str) -> _Counts:
        return self._tenants.setdefault(tenant, _Counts())

    async def _sync(self, tenant: str, counts: _Counts) -> None:
        """Hand over what is unsent, and read the window."""
        async with counts.lock:
            counts.read_ms = self._clock()  # also when it fails: a store that is down is not asked at every question
            if self._client is None:
                return
            sending, counts.unsent = counts.unsent, {}
            try:
                counts.known = await self._exchange(tenant, sending)
            except (ValkeyError, OSError, TimeoutError, ValueError) as error:
                for hour, more in sending.items():
                    counts.unsent[hour] = _plus(counts.unsent.get(hour), more)
                self._failures.note(error)

    async def _exchange(self, tenant: str, sending: Mapping[int, tuple[int, int]]) -> dict[int, tuple[int, int]]:
        assert self._client is not None
        now = self._clock() // HOUR_MS
        hours = range(now - self._window_h + 1, now + 1)
        # One transaction: a deadline that cuts it off leaves all of it done or nothing, never half.
        async with attentive(self._timeout_s), self._client.pipeline(transaction=True) as pipe:
            for hour, (judged, wrong) in sending.items():
                pipe.hincrby(_name(tenant, hour), "judged", judged)
                pipe.hincrby(_name(tenant, hour), "wrong", wrong)
                pipe.expire(_name(tenant, hour), (self._window_h + 1) * 3600)
            for hour in hours:
                pipe.hmget(_name(tenant, hour), ["judged", "wrong"])
            answers = await pipe.execute()
        rows = answers[-len(hours) :]
        return {
            hour: (int(judged or 0), int(wrong or 0))
            for hour, (judged, wrong) in zip(hours, rows, strict=True)
            if judged is not None
        }


def _plus(a: tuple[int, int] | None, b: tuple[int, int]) -> tuple[int, int]:
    return b if a is None else (a[0] + b[0], a[1] + b[1])


def _name(tenant: str, hour: int) -> str:
    return f"{PREFIX}:{tenant_digest(tenant)}:{hour}"
