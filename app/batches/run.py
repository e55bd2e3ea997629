"""One batch, from its input file to its results. Knows neither Ray nor HTTP.

    validating ─> in_progress ─> finalizing ─> completed | expired
        │              │
        └─> failed     └─> cancelling ─> cancelled      (asked for by the API)

Can be killed at any point and run again: see `app.batches.journal` for the results, and `BatchRecords`
for the row, which changes only by compare-and-set.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

from app.batches.answer import Answer
from app.batches.batch_records import BatchRecords
from app.batches.files import FileStore
from app.batches.journal import Journal
from app.batches.lines import Line, inspect, read_lines
from app.batches.results import result_file, result_paths
from app.batches.retry import BROKEN, is_busy, pause_s
from app.batches.types import OPEN, Batch, Problem, Status
from app.clock import now_ms
from app.config.batches import BatchesConfig
from app.errors import NotFound, Unavailable

logger = logging.getLogger(__name__)

Send = Callable[[Batch, Line], Awaitable[Answer]]
OnProgress = Callable[[int, int, int], None]  # completed, failed, total
TICK_S = 1.0


class BatchRun:
    """Runs a batch to its end."""

    def __init__(
        self,
        config: BatchesConfig,
        records: BatchRecords,
        files: FileStore,
        send: Send,
        on_progress: OnProgress = lambda completed, failed, total: None,
        tick_s: float = TICK_S,
    ) -> None:
        """`send` makes one request, once. Every `tick_s` progress is saved and the row's status obeyed."""
        self._config = config
        self._records = records
        self._files = files
        self._send = send
        self._on_progress = on_progress
        self._tick_s = tick_s
        self._stop = asyncio.Event()

    async def run(self, batch_id: str) -> Batch:
        """Do what is left of a batch; the batch as it ended.

        Raises NotFound; Conflict when another process works on it; Unavailable when the database is away
        at the beginning or the end: what was done until then is kept.
        """
        batch = await self._read(batch_id)
        with self._files.lock(batch.tenant, batch.id):
            batch = await self._read(batch_id)  # it may have ended before the lock was ours
            if batch.status == "validating":
                batch = await self._validate(batch)
            if batch.status in OPEN:
                batch = await self._execute(batch)
            self._files.remove_lock(batch.tenant, batch.id)
        return batch

    async def _validate(self, batch: Batch) -> Batch:
        config = self._config
        try:
            found = await asyncio.to_thread(
                inspect,
                self._input(batch),
                batch.endpoint,
                max_requests=config.max_requests,
                max_line_bytes=config.max_line_bytes,
            )
            problems = found.problems
        except FileNotFoundError:
            problems = (Problem("invalid_input_file", "The input file is gone.", param="input_file_id"),)
        if problems:
            await self._records.finish(batch, "failed", errors=problems)
        else:
            await self._records.start(batch.id, found.total)
        return await self._read(batch.id)

    async def _execute(self, batch: Batch) -> Batch:
        output, error = result_paths(batch, self._files)
        with Journal(batch.id, output, error) as journal:
            if batch.status == "in_progress":
                await self._work(batch, journal)
                if now_ms() >= batch.expires_ms and not await self._is_cancelling(batch):
                    for line in self._pending(batch, journal):
                        journal.expire(line)
            await asyncio.to_thread(journal.sync)
            await self._records.finalize(batch.id)
            batch = await self._read(batch.id)
            if batch.status not in OPEN:
                return batch
            ended: Status = "completed"
            if batch.status == "cancelling":
                ended = "cancelled"
            elif journal.expired:
                ended = "expired"
            batch = replace(batch, completed=journal.completed, failed=journal.failed)
        await self._records.finish(
            batch, ended, output=result_file(batch, output, "output"), error=result_file(batch, error, "error")
        )
        self._on_progress(batch.completed, batch.failed, batch.total)
        return await self._read(batch.id)

    async def _work(self, batch: Batch, journal: Journal) -> None:
        """Make requests until there are none left, or it is time to stop. Those under way are waited for."""
        lines = self._pending(batch, journal)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch(batch, journal))
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._config.concurrency):
                    workers.create_task(self._take(lines, batch, journal))
            watching.cancel()

    async def _take(self, lines: Iterator[Line], batch: Batch, journal: Journal) -> None:
        """One of the workers. They share the iterator, so each line is taken once."""
        while not self._stop.is_set() and now_ms() < batch.expires_ms:
            line = next(lines, None)
            if line is None:
                return
            answer = await self._answer(batch, line)
            if answer is not None:
                journal.add(line, answer)

    async def _answer(self, batch: Batch, line: Line) -> Answer | None:
        """The answer that stands; None when it was time to stop before there was one."""
        tries = failures = 0
        while True:
            answer = await self._send(batch, line)
            tries += 1
            failures += answer.status in BROKEN
            again = is_busy(answer) or (answer.status in BROKEN and failures <= self._config.retries)
            if not again:
                return answer
            left_s = (batch.expires_ms - now_ms()) / 1000
            if await self._stopped_within(min(pause_s(answer, tries), left_s)) or now_ms() >= batch.expires_ms:
                return None

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(max(0, seconds)):
                await self._stop.wait()
        except TimeoutError:
            return False
        return True

    async def _watch(self, batch: Batch, journal: Journal) -> None:
        """Save and show progress; stop when the batch is to be cancelled."""
        while not self._stop.is_set():
            self._on_progress(journal.completed, journal.failed, batch.total)
            completed, failed = journal.completed, journal.failed
            await asyncio.to_thread(journal.sync)
            try:
                # Counts are told once the lines behind them are durable.
                if await self._records.progress(batch.id, completed, failed) != "in_progress":
                    self._stop.set()
            except Unavailable:
                logger.warning("batch %s: the database is away; going on without it", batch.id)
            await asyncio.sleep(self._tick_s)

    async def _is_cancelling(self, batch: Batch) -> bool:
        return (await self._read(batch.id)).status == "cancelling"

    async def _read(self, batch_id: str) -> Batch:
        batch = await self._records.get(batch_id)
        if batch is None:
            raise NotFound(f"There is no batch {batch_id!r}.")
        return batch

    def _input(self, batch: Batch) -> Path:
        return self._files.path(batch.tenant, batch.input_file)

    def _pending(self, batch: Batch, journal: Journal) -> Iterator[Line]:
        lines = read_lines(self._input(batch), self._config.max_line_bytes)
        return (line for line in lines if line not in journal)
