"""What the command lines share: options, the terminal, and how a run ends."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.errors import BenchmarkFailed

ROOT = Path(__file__).parents[1]
PEER_ENVIRONMENT = ROOT / ".bench-venv"
RESULTS = ROOT / "benchmarks" / "results"

PeerEnvironment = Annotated[Path, typer.Option(help="Where benchmarks/requirements.txt is installed.")]
Results = Annotated[Path, typer.Option(help="Where the report goes.")]
Note = Annotated[str, typer.Option(help="A remark for the report.")]


class Report(Protocol):
    """What a run has found."""

    def print(self, console: Console) -> None:
        """Show it."""

    def save(self, directory: Path) -> Path:
        """Write it; returns the path without its ending."""


def publish(run: Callable[[Console], Report], results: Path, width: int) -> None:
    """Run, show and save what came of it; or say why there is no result. In a file lines have this width."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = width
    # An exit, so that everything that was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        report = run(console)
    except BenchmarkFailed as error:
        console.print(f"[red]No result:[/red] {escape(str(error))}")
        raise typer.Exit(1) from None
    report.print(console)
    console.print(f"Written: {report.save(results)}.json and .md")


def progress_bar(console: Console) -> Progress:
    """How far a run is; gone when it is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)
