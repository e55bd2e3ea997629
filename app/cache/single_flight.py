"""Single flight: identical requests under way share one generation.

The first to ask leads: its generation runs in a task of its own, and its chunks are kept as they pass. Who asks
the same meanwhile follows: from the first chunk on when both stream, else from the end. A leader that leaves hands
over: the generation goes on as long as anybody waits for it, and ends with the last one that leaves. One that fails
before anybody had anything of it fails for the one who began it; the others are told what it failed of.
"""

import asyncio
import copy
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from app.cache.entry import Entry
from app.errors import (
    BudgetExceeded,
    DeadlineExceeded,
    InvalidRequest,
    RateLimited,
    Unavailable,
    UpstreamRateLimited,
    UpstreamTimeout,
)

Chunk = dict[str, Any]


# A generation that must end so soon takes no more readers: it would end for them, too.
LAST_SECONDS = 5.0
STALL_S = 2.0  # once nobody has read on for so long, and at the latest for twice as long, a generation has stalled


class Lost(Exception):
    """The reader got nothing of the shared generation: it may ask anew.

    `error`: what it failed of, where another generation may well fail of the same; None for what was the business of
    the one who began it alone (it left, its budget, its deadline), or where there was nothing to give to others.
    """

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error = error


class Shared:
    """One generation, and those who read it."""

    def __init__(
        self,
        source: AsyncGenerator[Chunk, None],
        *,
        streams: bool,
        entry: Callable[[], Entry | None],
        on_end: Callable[[], None],
        on_stall: Callable[[], None],
        deadline: float,
    ) -> None:
        """Begins at once. `source` makes chunks (`streams`), or one whole answer; `entry` is asked at its end.
        `on_stall` is told when nobody reads on. `deadline`: event-loop time, seconds, at which the source ends by
        itself."""
        self.streams = streams
        self._deadline = deadline
        self._parts: list[Chunk] = []
        self._entry = entry
        self._readers = 0
        self._error: BaseException | None = None
        self._wanted = asyncio.Event()  # a reader has had all parts
        self._changed = asyncio.Event()  # there is another part, or the end
        self._on_end, self._on_stall = on_end, on_stall
        self._loop = asyncio.get_running_loop()
        self._idle_since: float | None = None  # loop time; None while a part is made
        self._timer = self._loop.call_later(STALL_S, self._look)
        self._task = asyncio.create_task(self._run(source))
        self._task.add_done_callback(self._end)

    @property
    def is_open(self) -> bool:
        """Whether one more can read it to its end."""
        has_time = self._loop.time() < self._deadline - LAST_SECONDS
        return has_time and not self._task.done() and not self._task.cancelling()

    async def lead(self) -> AsyncGenerator[Chunk, None]:
        """The parts for the one who began it. Raises what the generation raises."""
        async with aclosing(self._read()) as parts:
            async for part in parts:
                yield part
        if self._error is not None:
            raise self._error

    async def follow(self) -> AsyncGenerator[Chunk, None]:
        """The parts, from the first on. Raises Lost as long as none was given, then what the generation raises;
        at once what is wrong with the request, and so with everybody's."""
        # Whoever it was looked up for may have waited since, and its other readers may have left: what parts it has
        # would be replayed, and end in its midst.
        if self._error is not None:
            raise self._failure(given=False)
        if self._task.cancelling():
            raise Lost
        given = False
        async with aclosing(self._read()) as parts:
            async for part in parts:
                given = True
                yield part
        if self._error is not None:
            raise self._failure(given)

    async def entry(self) -> Entry:
        """A copy of the whole answer, once it is there. Raises Lost, or what is wrong with the request."""
        async with aclosing(self._read()) as parts:
            async for _ in parts:
                pass
        if self._error is not None:
            raise self._failure(given=False)
        entry = self._entry()
        if entry is None:
            raise Lost
        return copy.deepcopy(entry)

    def _failure(self, given: bool) -> Exception:
        """What befell the one who began it is no business of those who followed, unless they had part of it."""
        if isinstance(self._error, InvalidRequest):
            return self._error
        if not given:
            return Lost(_likely_again(self._error))
        if isinstance(self._error, Exception):
            return self._error
        return Unavailable("The generation was ended; try again.")

    async def _read(self) -> AsyncGenerator[Chunk, None]:
        position = 0
        self._readers += 1
        try:
            while True:
                while position < len(self._parts):
                    yield _copied(self._parts[position])
                    position += 1
                if self._task.done():
                    return
                self._changed.clear()
                self._wanted.set()
                await self._changed.wait()
        finally:
            self._readers -= 1
            if not self._readers and not self._task.done():
                self._task.cancel()
                # The generation has ended in the engine, and is settled, when the last reader has left.
                await asyncio.wait({self._task})

    def _end(self, _: "asyncio.Task[None]") -> None:
        self._timer.cancel()
        self._on_end()
        self._changed.set()

    async def _run(self, source: AsyncGenerator[Chunk, None]) -> None:
        try:
            # At the pace of the fastest reader: what nobody reads is not made, nor billed.
            while True:
                self._idle_since = self._loop.time()
                await self._wanted.wait()
                self._idle_since = None
                self._parts.append(await anext(source))
                self._wanted.clear()
                self._changed.set()
        except StopAsyncIteration:
            pass
        except BaseException as error:
            self._error = error
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            await source.aclose()

    def _look(self) -> None:
        """Tell of a stall, once. (One timer for all of the generation: one for each part would cost more than this.)"""
        if self._idle_since is not None and self._loop.time() - self._idle_since >= STALL_S:
            self._on_stall()
        else:
            self._timer = self._loop.call_later(STALL_S, self._look)


class SingleFlight:
    """The generations under way in this process, by cache key."""

    def __init__(self) -> None:
        self._shared: dict[str, Shared] = {}

    def under_way(self, key: str) -> Shared | None:
        """The generation to follow, if there is one."""
        shared = self._shared.get(key)
        return shared if shared is not None and shared.is_open else None

    def begin(
        self,
        key: str,
        source: AsyncGenerator[Chunk, None],
        *,
        streams: bool,
        entry: Callable[[], Entry | None],
        on_end: Callable[[], None],
        on_stall: Callable[[], None],
        deadline: float,
    ) -> Shared:
        """Lead a generation that others may follow until it ends; `on_end` is told of that, `on_stall` when its readers
        read no further."""

        def end() -> None:
            if self._shared.get(key) is shared:
                del self._shared[key]
                on_end()

        def stalled() -> None:
            if self._shared.get(key) is shared:
                on_stall()

        shared = self._shared[key] = Shared(
            source, streams=streams, entry=entry, on_end=end, on_stall=stalled, deadline=deadline
        )
        return shared


def _likely_again(error: BaseException | None) -> Exception | None:
    """The error, unless it tells of the one who began alone."""
    of_the_model = isinstance(error, UpstreamRateLimited | UpstreamTimeout)
    if isinstance(error, BudgetExceeded | RateLimited | DeadlineExceeded) and not of_the_model:
        return None
    return error if isinstance(error, Exception) else None


def _copied(part: Chunk) -> Chunk:
    """A part that its reader may change. Chunks of text, nearly all of them, are copied by hand: many times as fast."""
    choices = part.get("choices")
    if not choices or any("message" in choice or (choice.get("delta") or {}).get("tool_calls") for choice in choices):
        return copy.deepcopy(part)
    return {**part, "choices": [_copied_choice(choice) for choice in choices]}


def _copied_choice(choice: dict[str, Any]) -> dict[str, Any]:
    # An empty delta too: what the guard has held back is put into the last one.
    return {**choice, "delta": {**choice["delta"]}} if choice.get("delta") is not None else {**choice}
