"""Copy the running stack's knowledge base into a file, or a file into it: to keep, or to move to another store.

    python -m jobs.snapshot export kb.parquet
    python -m jobs.snapshot import kb.parquet --tenant acme

Vectors travel along: nothing is embedded anew, so both stacks must embed with the same model.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.errors import SextantError
from app.retrieval.snapshot import Moved, import_snapshot, write_snapshot
from jobs.console import job_console
from jobs.ingest_report import say
from jobs.knowledge_base import RemoteKnowledgeBase, connect, connect_ray

DEFAULT_TENANT = "default"  # any will do to see whether the knowledge base answers

File = Annotated[Path, typer.Argument(help="A Parquet file, on the machine that the job runs on.", metavar="FILE")]
Tenant = Annotated[str | None, typer.Option(help="Only this tenant's documents.", show_default="all tenants")]
AppName = Annotated[str, typer.Option("--app", help="The Serve application that is running.")]
Wait = Annotated[float, typer.Option(min=0, help="How long to wait for a stack that is starting.")]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help=__doc__)


@app.command("export")
def write(file: File, tenant: Tenant = None, app_name: AppName = "sextant", wait_s: Wait = 300) -> None:
    """Write documents, passages, vectors and rights into a file. It is there whole or not at all.

    Fails when documents change meanwhile; run it again then.
    """
    _run(lambda base: write_snapshot(base.export(tenant), file), f"written to {file}", tenant, app_name, wait_s)


@app.command("import")
def read(file: File, tenant: Tenant = None, app_name: AppName = "sextant", wait_s: Wait = 300) -> None:
    """Put a file's documents in the place of those of the same names. Others stay.

    A tenant's documents are all seen at once. An import that was cut off is run again.
    """
    _run(lambda base: import_snapshot(file, base, tenant), f"taken from {file}", tenant, app_name, wait_s)


def _run(
    move: Callable[[RemoteKnowledgeBase], Awaitable[Moved]], what: str, tenant: str | None, app_name: str, wait_s: float
) -> None:
    console = job_console()

    async def work() -> Moved:
        return await move(await connect(app_name, tenant or DEFAULT_TENANT, wait_s, lambda line: say(console, line)))

    try:
        connect_ray()
        moved = asyncio.run(work())
    except (SextantError, OSError) as error:
        say(Console(stderr=True, style="red"), f"snapshot: {error}")
        raise typer.Exit(1) from None
    say(console, f"{moved.documents:,} documents in {moved.chunks:,} chunks of {moved.tenants:,} tenants {what}.")


if __name__ == "__main__":
    app(prog_name="python -m jobs.snapshot")
