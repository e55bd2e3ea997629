"""Deadlines that do not count the time in which this process itself did not look."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# A loop that comes later than this to a timer was at something else, and has not read what has come in since.
LATE_S = 0.005
EARLY_S = 0.002  # before the deadline; more than a timer's resolution


@asynccontextmanager
async def attentive(timeout_s: float | None) -> AsyncIterator[None]:
    """`asyncio.timeout`, put off once where the loop comes to it late: by as long as it was late, `timeout_s` at most.

    A process that answers a hundred requests at once keeps its loop for longer than a look-up may take. The answer lies
    in the socket then, but timers come first: the look-up would fail, and after a few of them a healthy store would be
    left alone. None: there is no deadline. Raises TimeoutError.
    """
    if timeout_s is None:
        yield
        return
    loop = asyncio.get_running_loop()
    due = loop.time() + timeout_s - EARLY_S
    async with asyncio.timeout(timeout_s) as deadline:

        def look() -> None:
            late_s = loop.time() - due
            if late_s > LATE_S:
                deadline.reschedule(loop.time() + min(late_s, timeout_s))

        watch = loop.call_at(due, look)
        try:
            yield
        finally:
            watch.cancel()
