"""Bring the running stack's knowledge base up to date with documents.

    ray job submit -- python -m jobs.ingest docs handbook.pdf
    python -m jobs.ingest 'docs/**/*.md' --no-prune
    python -m jobs.ingest s3://bucket/handbook https://docs.example.org/guide.html --allow-host docs.example.org

Run it again at any time: only what changed is embedded and stored.
"""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.config import ConfigError, StackConfig
from app.config.files import load_stack
from app.errors import SextantError
from app.ingest.attributes import Attributes
from app.ingest.discover import Discovery, InputError
from app.ingest.document import DEFAULT_LIMITS
from app.ingest.ingest import Options, Progress, Report, ingest
from app.ingest.remote.gather import gather
from app.ingest.remote.web import Web
from app.ingest.route_workers import RouteWorkers
from app.ingest.signatures import SignatureFile
from app.ingest.workers import Workers
from jobs.console import job_console
from jobs.ingest_options import IngestError, groups_in, metadata_in, with_options
from jobs.ingest_report import say, show_progress, show_report
from jobs.ingest_workers import ActorWorkers, embeds_in_actors, local_workers
from jobs.knowledge_base import connect, connect_ray

SELECTION, STACK, SPEED = "What becomes of it", "Where it goes", "Who does it"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders, globs such as 'docs/**/*.md' (quoted), and URLs.",
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
    groups: Annotated[
        str,
        typer.Option(
            help="Who may see documents that name no groups of their own: 'hr,legal'. Default: the whole tenant.",
            rich_help_panel=SELECTION,
        ),
    ] = "",
    metadata: Annotated[
        list[str] | None,
        typer.Option(
            help="A field of all documents, 'year=2026'; may be repeated.",
            rich_help_panel=SELECTION,
            metavar="KEY=VALUE",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="A host whose web pages may be fetched, beside ingest.allowed_hosts; may be repeated.",
            rich_help_panel=SELECTION,
        ),
    ] = None,
    near_duplicates: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Least similarity of near duplicates; 0: only exact ones are dropped. Default: "
            "ingest.near_duplicates.",
            rich_help_panel=SELECTION,
            show_default=False,
        ),
    ] = None,
    drop_duplicates: Annotated[
        bool | None,
        typer.Option(
            "--drop-duplicates/--keep-duplicates",
            help="Leave out documents that say the same as one before. Default: ingest.drop_duplicates.",
            rich_help_panel=SELECTION,
            show_default=False,
        ),
    ] = None,
    embed_in: Annotated[
        str | None,
        typer.Option(
            help="job, actors, route or auto. Default: ingest.embed_in.", rich_help_panel=SPEED, show_default=False
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many actors. Default: ingest.workers.", rich_help_panel=SPEED, show_default=False
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Threads of the job, or of each actor. Default: ingest.threads.",
            rich_help_panel=SPEED,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Bring the knowledge base up to date with documents.

    Reads Markdown, text, reStructuredText, HTML, PDF, Word (.docx), tables
    (.csv, .tsv), records (.jsonl, .json) and source code, cuts them into
    passages under their headings, embeds those, and stores them in the
    running stack. Documents that are stored already and have not changed
    are left alone. Nobody sees a change before the run is done; then all
    of it is there at once. After a failure or a kill the next run goes on
    where it stopped.

    A document is called by its path from the working folder
    (docs/guide.md), by its URL, or, a record, by its id. That name is its
    identity: start the job from the same folder each time. Pruning only
    touches names that begin with a given path; given '.', with what lies
    directly in it.

    Exit codes: 0 done, though unreadable files may have been skipped (a
    table says why); 1 not done, and a sentence says why.

    Examples:

      python -m jobs.ingest docs

      python -m jobs.ingest 'docs/**/*.md' report.pdf --no-prune

      python -m jobs.ingest s3://bucket/contracts --groups legal

      ray job submit -- python -m jobs.ingest docs --tenant acme
    """
    console = job_console()
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it warns about each flaw that it mends
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    chosen = {
        "allowed_hosts": allow_host,
        "near_duplicates": near_duplicates,
        "drop_duplicates": drop_duplicates,
        "embed_in": embed_in,
        "workers": workers,
        "threads": threads,
    }
    try:
        stack = with_options(load_stack(config), chosen)
        options = Options(
            tenant,
            stack.embedder.id,
            Attributes(groups_in(groups), metadata_in(metadata or [])),
            prune,
            stack.ingest.drop_duplicates,
            stack.ingest.near_duplicates or None,
        )
        with tempfile.TemporaryDirectory(prefix="sextant-ingest-") as spool:
            web = Web(stack.ingest.allowed_hosts, DEFAULT_LIMITS)
            discovery = gather(paths, Path(spool), DEFAULT_LIMITS, web)
            _refuse_without_model(stack)
            connect_ray()
            report = asyncio.run(_ingest(discovery, stack, console, options, app_name, wait_s))
    except (IngestError, InputError, ConfigError, SextantError) as error:
        say(Console(stderr=True, style="red"), f"ingest: {error}")
        raise typer.Exit(1) from None
    show_report(console, report)


def _refuse_without_model(stack: StackConfig) -> None:
    directory = stack.path(stack.embedder.directory)
    if not (directory / "model.onnx").is_file():
        raise IngestError(
            f"no embedding model in {directory}; fetch it with `make setup` (or `python -m jobs.fetch_models`)"
        )


async def _ingest(
    discovery: Discovery, stack: StackConfig, console: Console, options: Options, app_name: str, wait_s: float
) -> Report:
    def tell(line: str) -> None:
        say(console, line)

    knowledge_base = await connect(app_name, options.tenant, wait_s, tell)
    reached = Progress(0, 0, 0)
    memory = SignatureFile(stack.path("ingest") / "signatures.sqlite")
    async with knowledge_base.held(options.tenant, tell), _workers(stack, discovery, wait_s, console) as workers:
        with show_progress(console) as show, closing(memory):

            def on_progress(step: Progress) -> None:
                nonlocal reached
                reached = step
                show(step)

            try:
                return await ingest(discovery, knowledge_base, workers, options, memory=memory, on_progress=on_progress)
            except SextantError as error:
                raise IngestError(
                    f"{error} {reached.documents} of {reached.total} documents were done before; "
                    "run it again, and it goes on from there."
                ) from error


@asynccontextmanager
async def _workers(stack: StackConfig, discovery: Discovery, wait_s: float, console: Console) -> AsyncIterator[Workers]:
    size = sum(source.path.stat().st_size for source in discovery.sources if source.path.is_file())
    if embeds_in_actors(stack.ingest, size):
        with closing(await ActorWorkers.start(stack, wait_s, lambda line: say(console, line))) as actors:
            yield actors
        return
    with closing(local_workers(stack)) as local:
        if stack.ingest.embed_in != "route" or stack.ingest.route is None:
            yield local
            return
        route = RouteWorkers(stack.ingest.route, stack.embedder.id, local)
        try:
            await route.check()
            yield route
        finally:
            await route.close()


if __name__ == "__main__":
    app(prog_name="python -m jobs.ingest")
