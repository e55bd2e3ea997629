"""Seeing to it that every unfinished batch has a job that works on it.

Each ingress process does so, and none knows of the others. A job's name is put into the batch's row by
compare-and-set, and the cluster takes a name once: of all who try, one starts it. A process that dies
between the two leaves a name without a job, which the next round of any of them starts.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Protocol

from app.batches.batch_records import BatchRecords
from app.batches.files import FileStore
from app.batches.results import give_up
from app.batches.sweep import sweep
from app.batches.types import Batch
from app.clock import now_ms
from app.config.batches import BatchesConfig
from app.errors import Conflict, SextantError

logger = logging.getLogger(__name__)

# A job that ends before its batch does is started again after 5, 10, 20 ... seconds.
FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 5_000, 600_000
# Writing down what expired is the job's work. A batch is given up when jobs could not even do that, for so long:
# by failures and not by the clock, which also runs while the stack is down.
GIVE_UP_MS = 3_600_000
STALE_S = 86_400
ROUNDS_BETWEEN_SWEEPS = 1_000


@dataclass(frozen=True, slots=True)
class JobState:
    """A job as the cluster knows it. `ended_ms`: None while it runs."""

    ended_ms: int | None


class Jobs(Protocol):
    """The cluster's jobs. Both raise Unavailable when it cannot be asked, and block."""

    def states(self) -> Mapping[str, JobState]:
        """All jobs by name."""
        ...

    def submit(self, name: str, batch_id: str) -> None:
        """Start a job, unless there is or was one of that name."""
        ...


class BatchRunner:
    """Starts jobs, and starts them again."""

    def __init__(self, config: BatchesConfig, records: BatchRecords, files: FileStore, jobs: Jobs) -> None:
        self._config = config
        self._records = records
        self._files = files
        self._jobs = jobs
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There is a new batch: look now."""
        self._woken.set()

    async def follow(self) -> None:
        """Look every `poll_s`, for as long as the process lives."""
        for number in itertools.count():
            self._woken.clear()
            await self.round(number)
            try:
                async with asyncio.timeout(self._config.poll_s):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def round(self, number: int) -> None:
        """Look, and now and then sweep. What fails is logged, and the other done all the same."""
        await _survive(self.look())
        if number % ROUNDS_BETWEEN_SWEEPS == 0:
            await _survive(sweep(self._files, self._records, STALE_S))

    async def look(self) -> None:
        """See to every batch that is to be worked on."""
        batches = await self._records.unfinished(self._config.max_jobs)
        if not batches:
            return
        states = await asyncio.to_thread(self._jobs.states)
        for batch in batches:
            await self._see_to(batch, states)

    async def _see_to(self, batch: Batch, states: Mapping[str, JobState]) -> None:
        name, attempt = batch.job, _attempt(batch)
        state = states.get(name) if name else None
        if state is not None:
            if state.ended_ms is None or now_ms() < state.ended_ms + _pause_ms(attempt):
                return
            if _is_hopeless(batch, states) and await self._has_given_up(batch):
                return
        if name is None or state is not None:
            name = _job_name(batch, attempt + 1)
            if not await self._records.claim(batch.id, batch.job, name):
                return
        await asyncio.to_thread(self._jobs.submit, name, batch.id)

    async def _has_given_up(self, batch: Batch) -> bool:
        try:
            await give_up(batch, self._records, self._files)
        except Conflict:
            return True  # somebody runs it by hand: let them
        except OSError as error:
            logger.error("batch %s: its results cannot be read: %s", batch.id, type(error).__name__)
            return False  # whoever mends the disk will have them
        logger.warning("batch %s: given up, its jobs fail", batch.id)
        return True


async def _survive(work: Awaitable[object]) -> None:
    try:
        await work
    except SextantError as error:
        logger.warning("batches: %s", error)
    except Exception as error:
        # A loop that ends would leave every batch lying, silently.
        logger.error("batches: the runner failed: %s", type(error).__name__)


def _is_hopeless(batch: Batch, states: Mapping[str, JobState]) -> bool:
    """Whether jobs have failed for `GIVE_UP_MS` since the window's end. Only those that the cluster still knows
    count: after a restart of it they have as long again."""
    jobs = (states.get(_job_name(batch, attempt)) for attempt in range(1, _attempt(batch) + 1))
    ends = [job.ended_ms for job in jobs if job is not None and job.ended_ms is not None]
    late = [ended_ms for ended_ms in ends if ended_ms > batch.expires_ms]
    return bool(late) and max(late) - min(late) >= GIVE_UP_MS


def _job_name(batch: Batch, attempt: int) -> str:
    return f"{batch.id}-{attempt}"


def _attempt(batch: Batch) -> int:
    """The number of the latest job, 0 before the first one."""
    return int(batch.job.rpartition("-")[2]) if batch.job else 0


def _pause_ms(attempt: int) -> int:
    return min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS << min(attempt - 1, 10))
