"""One request under way: what is known of it, and its settlement, which happens exactly once."""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from app.errors import ClientClosedRequest, DeadlineExceeded, InternalError, SextantError
from app.pipeline.transcript import Transcript
from app.telemetry.events import Attributes, Listener, RequestFinished, Timeline

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    tenant: str
    key_id: str


@dataclass(slots=True)
class Flight:
    """The record of one request. `cache` is the value of x-sextant-cache."""

    request_id: str
    caller: Caller
    operation: str
    deadline: float  # event-loop time, seconds
    listeners: Sequence[Listener]
    timeline: Timeline = field(default_factory=Timeline)
    transcript: Transcript = field(default_factory=Transcript)
    answer_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    requested_model: str = ""
    model: str = ""
    cache: str = "bypass"
    attributes: Attributes = field(default_factory=dict)
    content: dict[str, str] | None = None
    _settled: bool = False

    def headers(self) -> dict[str, str]:
        """Headers that tell how the answer came about."""
        return {
            "x-sextant-cache": self.cache,
            "x-sextant-model": self.model,
            "server-timing": self.timeline.server_timing(),
        }

    async def before_deadline(self, work: Awaitable[T]) -> T:
        """Await something, but not past the deadline. Raises DeadlineExceeded."""
        try:
            async with asyncio.timeout_at(self.deadline) as limit:
                return await work
        except TimeoutError:
            if not limit.expired():
                raise  # somebody else's, that no boundary translated
            raise DeadlineExceeded("The request took longer than it may; the generation was ended.") from None

    async def to_the_end(self, chunks: AsyncGenerator[dict[str, Any], None]) -> AsyncGenerator[dict[str, Any], None]:
        """Pass chunks on under the deadline, and settle when they end, whichever way."""
        error: BaseException | None = None
        try:
            while True:
                try:
                    chunk = await self.before_deadline(anext(chunks))
                except StopAsyncIteration:
                    return
                yield chunk
        except BaseException as raised:
            error = raised
            raise
        finally:
            # Closing ends the generation in the engine; settling must happen even if that fails.
            try:
                await chunks.aclose()
            finally:
                self.settle(error)

    def settle(self, error: BaseException | None = None) -> None:
        """Tell the listeners, once."""
        if self._settled:
            return
        self._settled = True
        seen = as_sextant_error(error) if error is not None else None
        event = RequestFinished(
            request_id=self.request_id,
            operation=self.operation,
            tenant=self.caller.tenant,
            requested_model=self.requested_model,
            model=self.model,
            start_ns=self.timeline.start_ns,
            end_ns=time.time_ns(),
            stages=tuple(self.timeline.stages),
            usage=self.transcript.usage,
            cache=self.cache,
            status=seen.status if seen else 200,
            error=seen.code if seen else None,
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
