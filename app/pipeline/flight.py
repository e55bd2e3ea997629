"""One request under way: what is known of it, and its settlement, which happens exactly once."""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from app.accounts.types import Caller
from app.config.money import usd_text
from app.errors import ClientClosedRequest, DeadlineExceeded, InternalError, SextantError, Unavailable
from app.guard.types import Verdict
from app.ledger.types import Outcome, UsageRow
from app.pipeline.billing import Bill
from app.pipeline.ledger_port import LedgerPort, ReservationPort
from app.pipeline.transcript import Transcript
from app.routing.target import Target
from app.routing.types import Trip
from app.telemetry.events import Attributes, Listener, RequestFinished, Timeline, Usage

logger = logging.getLogger(__name__)

T = TypeVar("T")

# How often a stream tells the ledger what it has cost so far; its heartbeat takes the latest.
PROGRESS_S = 0.25


@dataclass(frozen=True, slots=True)
class Reuse:
    """Of an answer that was made before: how old it is (seconds), where it was found, how near its question is."""

    age_s: float
    tier: str
    similarity: float | None = None

    def headers(self) -> dict[str, str]:
        near = {} if self.similarity is None else {"x-sextant-cache-similarity": f"{self.similarity:.4f}"}
        return {"age": str(max(0, int(self.age_s))), "x-sextant-cache-tier": self.tier, **near}


@dataclass(slots=True)
class Flight:
    """The record of one request. `cache` is the value of x-sextant-cache."""

    request_id: str
    caller: Caller
    operation: str
    deadline: float  # event-loop time, seconds
    listeners: Sequence[Listener]
    ledger: LedgerPort
    timeline: Timeline = field(default_factory=Timeline)
    transcript: Transcript = field(default_factory=Transcript)
    answer_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    requested_model: str = ""
    model: str = ""
    cache: str = "bypass"
    reuse: Reuse | None = None
    # Awaited once it is settled well, before the client has the end: what must not be lost with an answer.
    keeps: Callable[[], Awaitable[None]] | None = None
    settles_itself: bool = False  # its generation is shared, and settles it when that ends
    attributes: Attributes = field(default_factory=dict)
    guard_failures: list[str] = field(default_factory=list)  # place.rail: how
    failed_open: bool = False  # a rail that enforces failed, and the request went on: nothing of it is kept
    flags: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)  # of the guard, by place and rule
    content: dict[str, str] | None = None
    trip: Trip | None = None
    reservation: ReservationPort | None = None
    was_sent: bool = False  # to a model, or as good as
    # Who is owed, and how much, if it ended now; None as long as nobody was asked.
    billing: Callable[[], tuple[Target, Bill] | None] = lambda: None
    row: UsageRow | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    release: Callable[[], None] = lambda: None  # makes room for another request
    _settling: "asyncio.Task[Any] | None" = None
    _settled: bool = False
    _held: tuple[Target, int] | None = None
    _limit: asyncio.Timeout | None = None
    _watching: "asyncio.Task[None] | None" = None
    _told: float = 0

    def flag(self, verdict: Verdict) -> None:
        """Let the client know what the guard holds, the strongest of each rule."""
        told = {"place": verdict.place, "rule": verdict.name, "mode": verdict.mode, "score": verdict.score}
        before = self.flags.get((verdict.place, verdict.name))
        if before is None or before["score"] < verdict.score:
            self.flags[verdict.place, verdict.name] = told

    def again(self, deadline: float) -> "Flight":
        """Another one for the same caller."""
        return Flight(self.request_id, self.caller, self.operation, deadline, self.listeners, self.ledger)

    async def admit(self, requested_model: str) -> ReservationPort:
        """Pass the limits. Raises RateLimited, Unavailable."""
        self.requested_model = requested_model
        with self.timeline.stage("admit"):
            self.reservation = await self.ledger.admit(
                self.caller,
                self.answer_id,
                requested_model,
                request_id=self.request_id,
                operation=self.operation,
            )
        self._watching = asyncio.ensure_future(self._end_with_lease(self.reservation))
        return self.reservation

    async def hold(self, target: Target, tokens: int, cost_nano: int) -> None:
        """Reserve the worst case of asking a target. Raises BudgetExceeded, RateLimited, Unavailable."""
        if self.reservation is None:
            raise InternalError("The request was not admitted.")
        with self.timeline.stage("reserve"):
            await self.reservation.reserve(target.id, tokens, cost_nano)
        self.was_sent, self._held = True, (target, cost_nano)

    def headers(self) -> dict[str, str]:
        """Headers that tell how the answer came about. The cost is known once it is settled."""
        return {
            **(self.reservation.headers() if self.reservation else {}),
            **({"x-sextant-cost-usd": usd_text(self.row.cost_nano)} if self.row else {}),
            "x-sextant-cache": self.cache,
            **(self.reuse.headers() if self.reuse else {}),
            "x-sextant-model": self.model,
            "server-timing": self.timeline.server_timing(),
        }

    async def before_deadline(self, work: Awaitable[T]) -> T:
        """Await something, but not past the deadline, nor after the lease. Raises DeadlineExceeded, Unavailable."""
        try:
            async with asyncio.timeout_at(self.deadline) as limit:
                self._limit = limit
                return await work
        except TimeoutError:
            if not limit.expired():
                raise  # somebody else's, that no boundary translated
            self._check_lease()
            raise DeadlineExceeded("The request took longer than it may; the generation was ended.") from None

    async def settled_after(self, work: Awaitable[T]) -> T:
        """Await something under the deadline, and settle, whichever way it ends."""
        try:
            answer = await self.before_deadline(work)
        except BaseException as error:
            await self.settle(error)
            raise
        await self.settle()
        return answer

    async def to_the_end(self, chunks: AsyncGenerator[dict[str, Any], None]) -> AsyncGenerator[dict[str, Any], None]:
        """Pass chunks on under the deadline, and settle when they end, whichever way.

        The stream is over for the client only after this generator: what was used is durable by then.
        """
        error: BaseException | None = None
        try:
            while True:
                try:
                    chunk = await self.before_deadline(anext(chunks))
                except StopAsyncIteration:
                    break
                self._tell_progress()
                yield chunk
            await self.settle()
        except BaseException as raised:
            error = raised
            raise
        finally:
            # Closing ends the generation in the engine; settling must happen even if that fails.
            try:
                await chunks.aclose()
            finally:
                await self.settle(error)

    async def settle(self, error: BaseException | None = None) -> None:
        """Make the usage row durable, release what was held, and tell the listeners, once.

        What was refused before a model was asked leaves no row: nothing was used.
        Raises Unavailable when the row cannot be kept anywhere: an answer must not be finished then.
        """
        if self._settled:
            return
        self._settled = True
        if self._watching is not None:
            self._watching.cancel()
        seen = self._seen(error) if error is not None else None
        try:
            # A client that leaves meanwhile must not stop either of them.
            if self.reservation is not None and seen is not None and not self.was_sent:
                self._settling = asyncio.ensure_future(self.reservation.release())
                await asyncio.shield(self._settling)
            elif self.reservation is not None:
                self.row = self._row(seen)
                settling = self._settling = asyncio.ensure_future(self.reservation.settle(self.row))
                self.row = await asyncio.shield(settling)
                if seen is None and self.keeps is not None:
                    keeping = self._settling = asyncio.ensure_future(self.keeps())
                    await asyncio.shield(keeping)
        except SextantError as raised:
            if seen is not None:
                logger.error("request %s: not settled: %s", self.request_id, raised.code)
                return
            seen = raised
            raise
        finally:
            self.release()
            self._tell_listeners(seen)
            self.settled.set()

    def _seen(self, error: BaseException) -> SextantError:
        """The tree's error. What is cancelled past the deadline is so because of it, whoever noticed first."""
        if isinstance(error, asyncio.CancelledError) and asyncio.get_running_loop().time() >= self.deadline:
            return DeadlineExceeded("The request took longer than it may; the generation was ended.")
        return as_sextant_error(error)

    def _row(self, error: SextantError | None) -> UsageRow:
        target, bill = self._owed() or (None, Bill(Usage(), 0, estimated=False))
        now_ns = time.time_ns()
        return UsageRow(
            id=self.answer_id,
            at_ms=self.timeline.start_ns // 1_000_000,
            request_id=self.request_id,
            tenant=self.caller.tenant,
            key_id=self.caller.key_id,
            customer=self.caller.customer,
            operation=self.operation,
            requested_model=self.requested_model,
            model=target.id if target else "",
            provider=target.provider if target else "",
            outcome=_outcome(error),
            error=error.code if error else None,
            cache=self.cache,
            prompt_tokens=bill.usage.prompt_tokens,
            cached_tokens=bill.usage.cached_tokens,
            completion_tokens=bill.usage.completion_tokens,
            cost_nano=bill.cost_nano,
            estimated=bill.estimated,
            attempts=len(self.trip.attempts) if self.trip else 0,
            duration_ms=(now_ns - self.timeline.start_ns) // 1_000_000,
            batch=self.caller.batch,
        )

    def _owed(self) -> tuple[Target, Bill] | None:
        """What is owed to whom. A bill that cannot be made is what was held: no bug makes a request free."""
        try:
            return self.billing()
        except Exception as raised:
            logger.error(
                "request %s: no bill: %s", self.request_id, type(raised).__name__, exc_info=without_text(raised)
            )
            if self._held is None:
                return None
            target, cost_nano = self._held
            return target, Bill(Usage(), cost_nano, estimated=True)

    async def _end_with_lease(self, reservation: ReservationPort) -> None:
        """Without its lease the request has been settled by another process: what goes on would be nobody's."""
        await reservation.lost.wait()
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time())

    @property
    def is_lost(self) -> bool:
        """Whether another process has settled this request."""
        return self.reservation is not None and self.reservation.lost.is_set()

    def _check_lease(self) -> None:
        if self.is_lost:
            raise Unavailable("This server was silent for too long; the request was settled without it.")

    def _tell_progress(self) -> None:
        if self.reservation is None:
            return
        self._check_lease()
        now = time.monotonic()
        if now - self._told < PROGRESS_S:
            return
        self._told = now
        if owed := self._owed():
            target, bill = owed
            usage = bill.usage
            self.reservation.progress(
                bill.cost_nano, usage.prompt_tokens, usage.completion_tokens, target.id, target.provider
            )

    def _tell_listeners(self, error: SextantError | None) -> None:
        row = self.row
        event = RequestFinished(
            request_id=self.request_id,
            operation=self.operation,
            tenant=self.caller.tenant,
            key_id=self.caller.key_id,
            customer=self.caller.customer,
            requested_model=self.requested_model,
            model=self.model,
            start_ns=self.timeline.start_ns,
            end_ns=time.time_ns(),
            stages=tuple(self.timeline.stages),
            usage=self.transcript.usage,
            cost_nano=row.cost_nano if row else 0,
            cache=self.cache,
            status=error.status if error else 200,
            error=error.code if error else None,
            first_token_ns=self.transcript.first_token_ns,
            finish_reasons=tuple(self.transcript.finish_reasons),
            attributes=self.attributes,
            content={**self.content, "output": self.transcript.text} if self.content is not None else None,
        )
        for listener in self.listeners:
            try:
                listener.request_finished(event)
            except Exception as raised:
                logger.error("a listener failed: %s", type(raised).__name__, exc_info=without_text(raised))


def _outcome(error: SextantError | None) -> Outcome:
    if error is None:
        return "ok"
    return "cancelled" if isinstance(error, ClientClosedRequest) else "error"


def as_sextant_error(error: BaseException) -> SextantError:
    """The tree's error for any exception. What no boundary translated is a bug, and says so."""
    if isinstance(error, SextantError):
        return error
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return ClientClosedRequest("The client went away.")
    return InternalError("Something went wrong on our side; the request id finds it in the log.")


def without_text(error: BaseException) -> BaseException:
    """The exception's place without its words, for the log: they may hold what a user wrote."""
    return Redacted(type(error).__name__).with_traceback(error.__traceback__)


class Redacted(Exception):
    """Stands in the log for an exception whose words must not."""
