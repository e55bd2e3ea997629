"""How long a model may be silent, at the price of one timer for a whole stream."""

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import Self, TypeVar

from app.errors import DeadlineExceeded, SextantError, UpstreamTimeout

T = TypeVar("T")


class Silence:
    """Bounds each of a series of waits by `limit_s`, and all of them by a deadline (loop time, seconds).

    `asyncio.timeout` around every chunk would set and cancel a timer for each (5 µs on an idle core). Here
    a chunk only leaves its time; the one timer, when it fires, looks when the wait at hand began, and
    sleeps on for what is left of it. Cancelling is as careful as asyncio's own: somebody else's
    cancellation is never taken for a time-out, nor swallowed by one.
    """

    def __init__(self, limit_s: float, deadline: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit_s = limit_s
        self._deadline = deadline
        self._waiting: asyncio.Task[object] | None = None
        self._since = 0.0
        self._is_over = False
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer:
            self._timer.cancel()

    async def bound(self, work: Awaitable[T]) -> T:
        """Await a sign of life. Raises UpstreamTimeout, or DeadlineExceeded where that is what ended it."""
        task = asyncio.current_task()
        assert task
        cancelled_before = task.cancelling()
        self._waiting, self._since = task, self._loop.time()
        if self._timer is None:
            # Not ended here even if it is late already: only a task that waits can be cancelled.
            self._timer = self._loop.call_at(self._over_at(), self._look)
        try:
            return await work
        except asyncio.CancelledError:
            if self._is_over and task.cancelling() == cancelled_before + 1:
                raise self._error() from None
            raise
        finally:
            self._waiting = None
            if self._is_over:
                self._is_over = False
                task.uncancel()

    def _look(self) -> None:
        """End the wait that is over, or come back when it would be."""
        self._timer = None
        if self._waiting is None:
            return  # whoever reads the stream takes its time; the next wait sets a timer again
        if self._loop.time() < self._over_at():
            self._timer = self._loop.call_at(self._over_at(), self._look)
        else:
            self._is_over = True
            self._waiting.cancel()

    def _over_at(self) -> float:
        return min(self._since + self._limit_s, self._deadline)

    def _error(self) -> SextantError:
        if self._deadline <= self._since + self._limit_s:
            return DeadlineExceeded("The request took longer than it may; the generation was ended.")
        return UpstreamTimeout("The model was silent for too long.")
