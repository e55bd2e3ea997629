"""Seeing to it that every unfinished batch has a job that works on it.

Each ingress process does so, and none knows of the others. A job's name is put into the batch's row by
compare-and-set, and the cluster takes a name once: of all who try, one starts it. A process that dies
between the two leaves a name without a job, which the next round of any of them starts.
"""

import asyncio
import itertools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from app.batches.batch_records import BatchRecords
from app.batches.files import FileStore
from app.batches.types import Batch, Problem
from app.clock import now_ms
from app.config.batches import BatchesConfig
from app.errors import SextantError

logger = logging.getLogger(__name__)

# A job that ends before its batch does is started again after 5, 10, 20 ... seconds.
FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 5_000, 600_000
# Writing down what expired is the job's work; one that cannot even do that is given up.
GIVE_UP_MS = 3_600_000
STALE_UPLOAD_S = 86_400
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
            try:
                if number % ROUNDS_BETWEEN_SWEEPS == 0:
                    await asyncio.to_thread(self._files.sweep, STALE_UPLOAD_S)
                await self.look()
            except SextantError as error:
                logger.warning("batches: %s", error)
            except Exception as error:
                # A loop that ends would leave every batch lying, silently.
                logger.error("batches: the runner failed: %s", type(error).__name__)
            try:
                async with asyncio.timeout(self._config.poll_s):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def look(self) -> None:
        """One round."""
        batches = await self._records.unfinished(self._config.max_jobs)
        if not batches:
            return
        states = await asyncio.to_thread(self._jobs.states)
        for batch in batches:
            await self._see_to(batch, states.get(batch.job) if batch.job else None)

    async def _see_to(self, batch: Batch, state: JobState | None) -> None:
        name = batch.job
        if state is not None and state.ended_ms is None:
            return
        if now_ms() > batch.expires_ms + GIVE_UP_MS:
            problem = Problem("job_failed", "The batch could not be worked on.")
            await self._records.finish(batch, "failed", errors=[problem])
            return
        if name is None or state is not None:
            attempt = int(name.rpartition("-")[2]) if name else 0
            if state is not None and state.ended_ms is not None and now_ms() < state.ended_ms + _pause_ms(attempt):
                return
            before, name = name, f"{batch.id}-{attempt + 1}"
            if not await self._records.claim(batch.id, before, name):
                return
        await asyncio.to_thread(self._jobs.submit, name, batch.id)


def _pause_ms(attempt: int) -> int:
    return min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS << min(attempt - 1, 10))
