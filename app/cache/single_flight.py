"""Single flight: identical requests under way share one generation.

The first to ask leads: its generation runs in a task of its own, and its chunks are kept as they pass. Who asks
the same meanwhile follows: from the first chunk on when both stream, else from the end. A leader that leaves hands
over: the generation goes on as long as anybody waits for it, and ends with the last one that leaves.
"""

import asyncio
import copy
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from app.cache.entry import Entry
from app.errors import InvalidRequest, Unavailable

Chunk = dict[str, Any]


# A generation that must end so soon takes no more readers: it would end for them, too.
LAST_SECONDS = 5.0


class Lost(Exception):
    """The shared generation failed before the reader had anything of it: it may ask anew."""


class Shared:
    """One generation, and those who read it."""

    def __init__(
        self,
        source: AsyncGenerator[Chunk, None],
        *,
        streams: bool,
        entry: Callable[[], Entry | None],
        on_end: Callable[[], None],
        deadline: float,
    ) -> None:
        """Begins at once. `source` makes chunks (`streams`), or one whole answer; `entry` is asked at its end.
        `deadline`: event-loop time, seconds, at which the source ends by itself."""
        self.streams = streams
        self._deadline = deadline
        self._parts: list[Chunk] = []
        self._entry = entry
        self._readers = 0
        self._error: BaseException | None = None
        self._wanted = asyncio.Event()  # a reader has had all parts
        self._changed = asyncio.Event()  # there is another part, or the end
        self._task = asyncio.create_task(self._run(source))
        self._on_end = on_end
        self._task.add_done_callback(self._end)

    @property
    def is_open(self) -> bool:
        """Whether one more can read it to its end."""
        has_time = asyncio.get_running_loop().time() < self._deadline - LAST_SECONDS
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
            return Lost()
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
        self._on_end()
        self._changed.set()

    async def _run(self, source: AsyncGenerator[Chunk, None]) -> None:
        try:
            # At the pace of the fastest reader: what nobody reads is not made, nor billed.
            while await self._wanted.wait():
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
        deadline: float,
    ) -> Shared:
        """Lead a generation that others may follow until it ends; `on_end` is told of that."""

        def end() -> None:
            if self._shared.get(key) is shared:
                del self._shared[key]
                on_end()

        shared = self._shared[key] = Shared(source, streams=streams, entry=entry, on_end=end, deadline=deadline)
        return shared


def _copied(part: Chunk) -> Chunk:
    """A part that its reader may change. Chunks of text, nearly all of them, are copied by hand: many times as fast."""
    choices = part.get("choices")
    if not choices or any("message" in choice or (choice.get("delta") or {}).get("tool_calls") for choice in choices):
        return copy.deepcopy(part)
    return {**part, "choices": [_copied_choice(choice) for choice in choices]}


def _copied_choice(choice: dict[str, Any]) -> dict[str, Any]:
    # An empty delta too: what the guard has held back is put into the last one.
    return {**choice, "delta": {**choice["delta"]}} if choice.get("delta") is not None else {**choice}
