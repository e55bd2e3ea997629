"""Run one batch of the batch API to its end, or go on with it where a killed job stopped.

    python -m jobs.run_batch --batch batch_0123

The ingress submits it as a Ray job (deployments/batches.py); it needs no Ray of its own.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.accounts.tokens import BatchTokens
from app.batches.batch_records import BatchRecords
from app.batches.files import FileStore
from app.batches.run import BatchRun, OnProgress
from app.batches.send import GatewaySender
from app.batches.types import Batch
from app.config import ConfigError, StackConfig, load_secrets
from app.config.files import load_stack
from app.errors import SextantError
from app.sql.database import database_url, open_database
from jobs.console import job_console

# The gateway's own deadline should be what ends a slow request: its error says more than ours.
TIMEOUT_MARGIN_S = 10.0
CONNECT_TIMEOUT_S = 10.0
LOG_EVERY_S = 10.0

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    batch: Annotated[str, typer.Option(help="Id of the batch.")],
    config: Annotated[
        Path | None, typer.Option(help="The stack's YAML. By default that of the running stack.", show_default=False)
    ] = None,
) -> None:
    """Run a batch to its end.

    Every request of its file goes to the gateway in the name of the key that made the batch. Can be killed
    and run again at any time: answers that were written down are not asked for again.

    Exit codes: 0 the batch has ended; 1 it has not, and a sentence says why.
    """
    console = job_console()
    try:
        with _progress(console) as on_progress:
            ended = asyncio.run(_run(batch, load_stack(config), on_progress))
    except (SextantError, ConfigError) as error:
        Console(stderr=True).print(f"run_batch: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    console.print(
        f"{ended.id}: {ended.status}; {ended.completed} answered, {ended.failed} failed, of {ended.total}", markup=False
    )


async def _run(batch_id: str, stack: StackConfig, on_progress: OnProgress) -> Batch:
    tokens = BatchTokens(load_secrets(stack.home))
    client = httpx.AsyncClient(
        base_url=stack.batches.gateway_url.rstrip("/").removesuffix("/v1"),
        timeout=httpx.Timeout(stack.gateway.request_timeout_s + TIMEOUT_MARGIN_S, connect=CONNECT_TIMEOUT_S),
        limits=httpx.Limits(max_connections=stack.batches.concurrency),
        trust_env=False,  # the gateway is ours: no proxy stands before it
    )
    engine = open_database(database_url(stack.accounts.url, stack.home), connections=1)
    try:
        async with client:
            run = BatchRun(
                stack.batches,
                BatchRecords(engine),
                FileStore(stack.path(str(stack.batches.directory))),
                GatewaySender(client, lambda batch, ttl_s: tokens.issue(batch.key_id, batch.tenant, batch.id, ttl_s)),
                on_progress,
            )
            return await run.run(batch_id)
    finally:
        await engine.dispose()


@contextmanager
def _progress(console: Console) -> Iterator[OnProgress]:
    """A bar in a terminal, a line now and then in a job's log."""
    if console.is_terminal:
        columns = (TextColumn("requests"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            bar = progress.add_task("requests", total=None)

            def show(completed: int, failed: int, total: int) -> None:
                progress.update(bar, completed=completed + failed, total=total)

            yield show
        return
    next_at = 0.0

    def write(completed: int, failed: int, total: int) -> None:
        nonlocal next_at
        if time.monotonic() >= next_at:
            next_at = time.monotonic() + LOG_EVERY_S
            console.print(f"{completed + failed}/{total} done, {failed} of them failed", markup=False)

    yield write


if __name__ == "__main__":
    app(prog_name="python -m jobs.run_batch")
