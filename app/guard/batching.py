"""Micro-batching: calls that arrive while a batch is being screened go together in the next, as in group commit.

A batch shares what spaCy's network costs however little text it has. Nobody waits for a batch to fill.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from app.guard.types import Screened

# One batch holds at most this much, which bounds how long a call waits for those before it: 12 ms, or 35 where
# it is full of numbers.
BATCH_TEXTS = 64
BATCH_CHARACTERS = 4_000

# What takes about 2 ms is screened on the event loop: the way to a thread and back costs a short text 0.13 ms
# beside its own 0.4.
INLINE_CHARACTERS = 600

ScreenAll = Callable[[Sequence[Sequence[str]]], list[Screened]]


@dataclass(frozen=True, slots=True)
class _Call:
    texts: Sequence[str]
    characters: int
    answer: "asyncio.Future[Screened]"

    @property
    def fits(self) -> bool:
        """Whether it may share a batch with others."""
        return len(self.texts) <= BATCH_TEXTS and self.characters <= BATCH_CHARACTERS


@dataclass(slots=True)
class _Lane:
    """Calls that wait, in the order they came, and the task that works them off while there are any."""

    waiting: deque[_Call] = field(default_factory=deque)
    worker: "asyncio.Task[None] | None" = None

    def take(self) -> list[_Call]:
        """The next batch. A call that was given up is passed over: nobody would read its answer."""
        batch: list[_Call] = []
        texts = characters = 0
        while self.waiting:
            call = self.waiting[0]
            if not call.answer.done():
                texts, characters = texts + len(call.texts), characters + call.characters
                if batch and (texts > BATCH_TEXTS or characters > BATCH_CHARACTERS):
                    break
                batch.append(call)
            self.waiting.popleft()
        return batch


class Batcher:
    """Screens calls in batches, in two lanes: what does not fit into a batch is screened alone, beside them.

    So at most two threads are at work, and a long text holds no short one up.
    """

    def __init__(self, screen_all: ScreenAll) -> None:
        """`screen_all` answers each of the calls it is given, in order; it is run in two threads at once."""
        self._screen_all = screen_all
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="guard")
        self._short, self._long = _Lane(), _Lane()

    async def screen(self, texts: Sequence[str]) -> Screened:
        """The answer to one call. Raises what screening it raised. Cancelled before its turn, it is never screened."""
        call = _Call(texts, sum(map(len, texts)), asyncio.get_running_loop().create_future())
        lane = self._short if call.fits else self._long
        lane.waiting.append(call)
        if lane.worker is None:
            lane.worker = asyncio.create_task(self._work(lane))
        return await call.answer

    async def _work(self, lane: _Lane) -> None:
        loop = asyncio.get_running_loop()
        try:
            while batch := lane.take():
                calls = [call.texts for call in batch]
                if sum(call.characters for call in batch) <= INLINE_CHARACTERS:
                    outcomes = self._screened(calls)
                else:
                    outcomes = await loop.run_in_executor(self._threads, self._screened, calls)
                for call, outcome in zip(batch, outcomes, strict=True):
                    if call.answer.done():  # given up meanwhile
                        continue
                    if isinstance(outcome, Screened):
                        call.answer.set_result(outcome)
                    else:
                        call.answer.set_exception(outcome)
                await asyncio.sleep(0)  # who has arrived meanwhile goes into the next batch
        finally:
            lane.worker = None

    def _screened(self, calls: Sequence[Sequence[str]]) -> list[Screened | Exception]:
        """The calls' outcomes. One that fails takes no other with it."""
        try:
            return [*self._screen_all(calls)]
        except Exception as error:
            if len(calls) == 1:
                return [error]
            return [outcome for call in calls for outcome in self._screened([call])]
