"""Runs a rail that is CPU-bound: in threads of its own, in batches, never past a deadline.

Calls that arrive while a batch is being examined go together in the next, as in group commit: a batch shares what a
network costs however little text it has. Nobody waits for a batch to fill. What does not fit into a batch is examined
alone, beside them, so that a long text holds no short one up.

A thread that hangs cannot be ended: its calls fail at their deadline, another takes its place, and once that hangs too
the next calls fail at once. They are daemons, so that they do not keep the process alive either.

Who comes alone with a short text has all rails examine it one after the other in a thread of its own, the express:
side by side they would only take the interpreter and the cores from each other. On two cores, personal data, secrets
and injections take 3.7 ms of 150 characters there (p50), and 5.8 in three threads. A rail that needs a network for it
begins there, before the others, and goes on in its own thread: the network holds no interpreter.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from typing import cast

from app.attentive import attentive
from app.digests import KeyedDigests
from app.failures import Failures
from app.guard.rail import HeavyRail, TextRail
from app.guard.types import Examined, Hit, clean
from app.recent import Recent

# One batch holds at most this much, which bounds how long a call waits for those before it.
BATCH_TEXTS = 64
BATCH_CHARACTERS = 4_000
REMEMBERED = 4096  # texts: a conversation comes again with each of its turns
REMEMBERED_HITS = 50_000  # of all of them, at about 160 bytes
THREADS = 2  # of a lane; the second only where the first hangs: two would only share the interpreter
PATIENCE_S = 0.03  # a call that has not begun by then goes to the rail's own threads: a rail before it is slow
MOST_WAITING = 256  # calls of a lane

Hits = tuple[tuple[Hit, ...], ...]


@dataclass(eq=False, slots=True)
class _Call:
    rail: TextRail
    texts: Sequence[str]
    characters: int
    answer: "asyncio.Future[Hits]"
    loop: asyncio.AbstractEventLoop
    deadline_s: float
    own: "Lane | None" = None  # where its rail goes on with what it has begun elsewhere; None for most rails
    given_up: bool = False  # nobody would read its answer
    begun: threading.Lock = field(default_factory=threading.Lock)  # taken by the thread that examines it
    outcome: "Hits | Exception | None" = None

    def examine(self) -> list[list[Hit]] | None:
        """What the rail finds. None: it has begun, and goes on in its own lane."""
        own, self.own = self.own, None
        if own is None:
            return self.rail.examine(self.texts)
        found = cast("HeavyRail", self.rail).begin(self.texts)
        if not callable(found):
            return found
        self.rail, self.begun = _Rest(found), threading.Lock()
        is_there = own.put([self], self.deadline_s) or not self.begun.acquire(blocking=False)
        return None if is_there else found()

    def resolve(self) -> None:
        """Called on the loop; in vain as long as there is no outcome."""
        if self.outcome is None or self.answer.done():
            return
        if isinstance(self.outcome, Exception):
            self.answer.set_exception(self.outcome)
        else:
            self.answer.set_result(self.outcome)


@dataclass(slots=True)
class _Rest:
    """The end of what a rail has begun."""

    rest: Callable[[], list[list[Hit]]]
    version: str = ""

    def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
        return self.rest()


def _tell(calls: Sequence[_Call]) -> None:
    """Called in a thread: the outcomes, to each loop in one go."""
    for loop in {call.loop for call in calls}:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(_resolve, [call for call in calls if call.loop is loop])


def _resolve(calls: Sequence[_Call]) -> None:
    for call in calls:
        call.resolve()


@dataclass(slots=True)
class Lane:
    """Calls that wait, in the order they came, and the threads that work them off.

    `tells_late`: outcomes are told when nothing waits any more, for the loop would take the interpreter from the thread
    with each of them.
    """

    name: str
    tells_late: bool = False
    waiting: deque[_Call] = field(default_factory=deque)
    changed: threading.Condition = field(default_factory=threading.Condition)
    threads: int = 0
    idle: int = 0
    started_s: dict[int, float] = field(default_factory=dict)  # thread -> since when it is at its batch

    @property
    def is_free(self) -> bool:
        """Whether a call would be examined at once."""
        return not self.waiting and self.idle == self.threads

    def put(self, calls: Sequence[_Call], hung_after_s: float) -> bool:
        """Take calls; False when no thread will come to them."""
        with self.changed:
            since = time.monotonic() - hung_after_s
            all_hang = self.threads == len([1 for started in self.started_s.values() if started < since])
            if len(self.waiting) >= MOST_WAITING or (all_hang and self.threads == THREADS):
                return False
            self.waiting += calls
            if self.idle:
                self.changed.notify()
            elif all_hang:  # or there is none yet
                self.threads += 1
                threading.Thread(target=self._work, name=f"guard-{self.name}", daemon=True).start()
        return True

    def _work(self) -> None:
        me = threading.get_ident()
        done: list[_Call] = []
        while True:
            with self.changed:
                self.started_s.pop(me, None)
                while not self.waiting:
                    self.idle += 1
                    self.changed.wait()
                    self.idle -= 1
                batch = self._take()
                self.started_s[me] = time.monotonic()
            for call, outcome in zip(batch, self._examined(batch), strict=True):
                if outcome is not None:
                    call.outcome = outcome
                    done.append(call)
            del batch
            if not (self.tells_late and self.waiting):
                _tell(done)
                done = []

    def _take(self) -> list[_Call]:
        batch: list[_Call] = []
        texts = characters = 0
        while self.waiting:
            call = self.waiting[0]
            if not call.given_up and not call.begun.locked():
                texts, characters = texts + len(call.texts), characters + call.characters
                is_other = bool(batch) and (call.rail is not batch[0].rail or call.own is not None)
                if is_other or (batch and (texts > BATCH_TEXTS or characters > BATCH_CHARACTERS)):
                    break
                if call.begun.acquire(blocking=False):  # it may wait in two lanes
                    batch.append(call)
            self.waiting.popleft()
        return batch

    def _examined(self, calls: Sequence[_Call]) -> "list[Hits | Exception | None]":
        """The calls' outcomes; None where it is found elsewhere. One that fails takes no other with it."""
        if not calls:
            return []
        texts = [text for call in calls for text in call.texts]
        try:
            found = calls[0].rail.examine(texts) if len(calls) > 1 else calls[0].examine()
            if found is None:
                return [None]
            if len(found) != len(texts):
                raise ValueError(f"{len(found)} answers to {len(texts)} texts")
            cleaned = iter([tuple(map(clean, hits)) for hits in found])
        except BaseException as error:  # a library's panic too: the thread must live
            if len(calls) > 1:
                return [outcome for call in calls for outcome in self._examined([call])]
            return [error if isinstance(error, Exception) else RuntimeError(type(error).__name__)]
        return [tuple(next(cleaned) for _ in call.texts) for call in calls]


@dataclass(slots=True)
class Asked:
    """Texts before a rail: what it is known to say of them (None: nothing yet), and those that are `new`, each once.
    `call`: to an express."""

    digests: Sequence[str]
    known: Sequence[tuple[Hit, ...] | None]
    texts: Sequence[str]
    new: Sequence[str]
    runner: "Runner"
    call: _Call | None = None
    started: float = field(default_factory=time.perf_counter)


class Runner:
    """One rail, for all requests of a process."""

    def __init__(self, rail: TextRail, name: str, deadline_s: float, failures: Failures) -> None:
        self._version = rail.version
        self._failures = failures
        self._name = name
        self.deadline_s = deadline_s
        self._digests = KeyedDigests()
        self._recent: Recent[tuple[Hit, ...]] = Recent(REMEMBERED, weigh=len, most=REMEMBERED_HITS)
        self._rail = rail
        self._is_heavy = isinstance(rail, HeavyRail)
        self._short, self._long = Lane(name), Lane(name)

    async def run(self, texts: Sequence[str]) -> Examined:
        """What the rail says of the texts, or how it failed. Never raises."""
        asked = self._asked(texts)
        return self._examined(asked, *await self._in_slices(asked.new))

    def begin(self, texts: Sequence[str]) -> Asked:
        """The call for an express: of at most BATCH_TEXTS texts."""
        asked = self._asked(texts)
        if asked.new:
            asked.call = self._call(asked.new)
            asked.call.own = self._own(asked.call) if self._is_heavy else None
        return asked

    async def end(self, asked: Asked) -> Examined:
        """What the rail says of texts that an express has had for PATIENCE_S. Where it has not begun with them, the
        rail's own threads do. Never raises."""
        found: Hits = ()
        call, failure = asked.call, ""
        if call is not None:
            left_s = self.deadline_s - (time.perf_counter() - asked.started)
            found, failure = await self._outcome(call, left_s) if self._move(call) else ((), "busy")
        return self._examined(asked, found, failure)

    def _asked(self, texts: Sequence[str]) -> Asked:
        digests = [self._digests.of(text) for text in texts]
        known = [self._recent.get(digest) for digest in digests]
        new = list(dict.fromkeys(text for text, hits in zip(texts, known, strict=True) if hits is None))
        return Asked(digests, known, texts, new, self)

    def _examined(self, asked: Asked, found: Hits, failure: str) -> Examined:
        hits: Hits = ()
        if not failure:
            learned = dict(zip(asked.new, found, strict=True))
            both = zip(asked.texts, asked.known, strict=True)
            hits = tuple(learned[text] if before is None else before for text, before in both)
            for digest, each in zip(asked.digests, hits, strict=True):
                self._recent.put(digest, each)
        spent = round((time.perf_counter() - asked.started) * 1000, 3)
        return Examined(self._name, self._version, hits, spent, failure)

    async def _in_slices(self, texts: Sequence[str]) -> tuple[Hits, str]:
        """All answers, under one deadline. Many texts go in slices, between which others get their turn."""
        loop = asyncio.get_running_loop()
        deadline, hits = loop.time() + self.deadline_s, list[tuple[Hit, ...]]()
        for start in range(0, len(texts), BATCH_TEXTS):
            call = self._call(texts[start : start + BATCH_TEXTS])
            if not self._own(call).put([call], self.deadline_s):
                return (), "busy"
            found, failure = await self._outcome(call, deadline - loop.time())
            if failure:
                return (), failure
            hits += found
        return tuple(hits), ""

    def _call(self, texts: Sequence[str]) -> _Call:
        loop = asyncio.get_running_loop()
        return _Call(self._rail, texts, sum(map(len, texts)), loop.create_future(), loop, self.deadline_s)

    def _own(self, call: _Call) -> Lane:
        fits = len(call.texts) <= BATCH_TEXTS and call.characters <= BATCH_CHARACTERS
        return self._short if fits else self._long

    async def _outcome(self, call: _Call, timeout_s: float) -> tuple[Hits, str]:
        try:
            async with nullcontext() if call.answer.done() else attentive(timeout_s):
                return await call.answer, ""
        except TimeoutError:
            return (), "timeout"
        except Exception as error:
            self._failures.note(error)
            return (), "error"
        finally:
            call.given_up = True

    def _move(self, call: _Call) -> bool:
        """To this rail's own threads, beside the express, unless it has begun there; what it has ended waits for no
        other rail any longer. False when no thread will come to it."""
        call.resolve()
        if call.given_up or call.answer.done():
            return True
        if call.begun.locked():
            call.loop.call_later(PATIENCE_S, self._move, call)
            return True
        call.own = None  # it has come there
        return self._own(call).put([call], self.deadline_s)
