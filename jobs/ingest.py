"""Bring the running stack's knowledge base up to date with documents on disk.

    ray job submit -- python -m jobs.ingest docs handbook.pdf
    python -m jobs.ingest 'docs/**/*.md' --no-prune

Run it again at any time: only what changed is read, embedded and stored.
"""

import asyncio
import logging
from pathlib import Path
from typing import Annotated

import ray
import typer
from rich.console import Console

from app.config import ConfigError, StackConfig
from app.config.files import load_stack
from app.errors import SextantError
from app.ingest.discover import Discovery, InputError, discover
from app.ingest.ingest import Progress, Report, ingest
from app.retrieval.embedder import Embedder
from jobs.console import job_console
from jobs.ingest_report import say, show_progress, show_report
from jobs.knowledge_base import connect

EMBEDDING_THREADS = 2

SELECTION, STACK = "What becomes of it", "Where it goes"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class IngestError(Exception):
    """Why the job cannot go on, in a sentence for the person who runs it."""


@app.command()
def main(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders, and globs such as 'docs/**/*.md' (quoted).",
            metavar="PATH...",
            show_default=False,
        ),
    ],
    tenant: Annotated[
        str, typer.Option(help="Whose knowledge base. No other tenant sees it.", rich_help_panel=STACK)
    ] = "default",
    app_name: Annotated[
        str, typer.Option("--app", help="The Serve application that is running.", rich_help_panel=STACK)
    ] = "sextant",
    config: Annotated[
        Path | None,
        typer.Option(
            help="The stack's YAML. By default that of the running stack.",
            rich_help_panel=STACK,
            show_default=False,
        ),
    ] = None,
    wait_s: Annotated[
        float,
        typer.Option(min=0, help="How long to wait for a stack that is starting.", rich_help_panel=STACK),
    ] = 300,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune/--no-prune",
            help="Remove documents whose files are gone from the given folders, or keep them.",
            rich_help_panel=SELECTION,
        ),
    ] = True,
) -> None:
    """Bring the knowledge base up to date with documents on disk.

    Reads .md, .markdown, .txt, .rst, .html, .htm and .pdf, cuts them into
    passages under their headings, embeds those, and stores them in the
    running stack. Documents that are stored already and have not changed
    are left alone, so it can be run again at any time, and after a
    failure it goes on where it stopped.

    A document is called by its path from the working folder
    (docs/guide.md). That name is its identity: start the job from the
    same folder each time. Pruning only touches names that begin with a
    given path; given '.', with what lies directly in it.

    Exit codes: 0 done, though unreadable files may have been skipped (a
    table says why); 1 not done, and a sentence says why.

    Examples:

      python -m jobs.ingest docs

      python -m jobs.ingest 'docs/**/*.md' report.pdf --no-prune

      ray job submit -- python -m jobs.ingest docs --tenant acme
    """
    console = job_console()
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it warns about each flaw that it mends
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    try:
        stack = load_stack(config)
        discovery = discover(paths)
        embedder = _load_embedder(stack)
        _connect_ray()
        report = asyncio.run(_ingest(discovery, stack, embedder, console, tenant, app_name, wait_s, prune))
    except (IngestError, InputError, ConfigError, SextantError) as error:
        say(Console(stderr=True, style="red"), f"ingest: {error}")
        raise typer.Exit(1) from None
    show_report(console, report)


def _load_embedder(stack: StackConfig) -> Embedder:
    try:
        return Embedder(stack.path(stack.embedder.directory), threads=EMBEDDING_THREADS)
    except FileNotFoundError as error:
        raise IngestError(str(error)) from None


def _connect_ray() -> None:
    try:
        ray.init(address="auto", logging_level="ERROR", log_to_driver=False)
    except (ConnectionError, RuntimeError) as error:
        first_line = str(error).partition("\n")[0]
        raise IngestError(
            "no Ray cluster can be reached from here; start the stack with `make serve`, or send the job to "
            f"one with `ray job submit --address http://HOST:8265 -- python -m jobs.ingest ...` ({first_line})"
        ) from None


async def _ingest(
    discovery: Discovery,
    stack: StackConfig,
    embedder: Embedder,
    console: Console,
    tenant: str,
    app_name: str,
    wait_s: float,
    prune: bool,
) -> Report:
    knowledge_base = await connect(app_name, tenant, wait_s, lambda line: say(console, line))
    reached = Progress(0, 0, 0)
    with show_progress(console) as show:

        def on_progress(step: Progress) -> None:
            nonlocal reached
            reached = step
            show(step)

        try:
            return await ingest(
                discovery,
                tenant,
                knowledge_base,
                embedder,
                model=stack.embedder.id,
                prune=prune,
                on_progress=on_progress,
            )
        except SextantError as error:
            raise IngestError(
                f"{error} {reached.documents} of {reached.total} documents were done before; "
                "run it again, and it goes on from there."
            ) from error


if __name__ == "__main__":
    app(prog_name="python -m jobs.ingest")
