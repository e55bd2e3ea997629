"""`python -m benchmarks.cache`: what a cache takes, finds and gets wrong. See benchmarks/README.md."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from app.config import default_home
from app.evals.errors import DatasetError
from benchmarks.cache.run import Plan, run
from benchmarks.gateway.targets import BenchmarkFailed

ROOT = Path(__file__).parents[2]
TABLE_WIDTH = 180  # in a file no line is broken


def main(
    sextant: Annotated[bool, typer.Option(help="Start the stack, with a no-op beside it, and measure both.")] = True,
    peers: Annotated[bool, typer.Option(help="Start LiteLLM and GPTCache, and measure them.")] = True,
    rounds: Annotated[int, typer.Option(min=1, help="How often each row is measured.")] = 5,
    requests: Annotated[int, typer.Option(min=50, help="Of each row in each round, at one client.")] = 250,
    clients: Annotated[int, typer.Option(min=2, help="How many at a time, for the rate.")] = 16,
    concurrent_requests: Annotated[int, typer.Option(min=50, help="Of each row in each round, at that many.")] = 640,
    groups: Annotated[int | None, typer.Option(min=1, help="Groups of the labelled stream; by default all.")] = None,
    pairs: Annotated[Path, typer.Option(help="Directory of labelled groups.")] = ROOT / "evals" / "cache" / "parts",
    peer_environment: Annotated[Path, typer.Option(help="Where benchmarks/requirements.txt is installed.")] = (
        ROOT / ".bench-venv"
    ),
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = ROOT / "benchmarks" / "results",
    note: Annotated[str, typer.Option(help="A remark for the report.")] = "",
) -> None:
    """Measure what a hit and a miss take beyond a no-op ingress, and how often hits are wrong, beside peers."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = TABLE_WIDTH
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    plan = Plan(
        has_sextant=sextant,
        has_peers=peers,
        peer_environment=peer_environment,
        models=default_home().absolute() / "models",
        pairs=pairs,
        rounds=rounds,
        requests={1: requests, clients: concurrent_requests},
        streamed_groups=groups,
        note=note,
    )
    try:
        report = run(plan, console)
    except (BenchmarkFailed, DatasetError) as error:
        console.print(f"[red]No result:[/red] {escape(str(error))}")
        raise typer.Exit(1) from None
    report.print(console)
    console.print(f"Written: {report.save(results)}.json and .md")


if __name__ == "__main__":
    typer.run(main)
