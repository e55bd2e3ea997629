"""`python -m benchmarks.prefix`: what prefix routing finds in the engine's cache. See benchmarks/README.md."""

import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from app.config import default_home
from benchmarks.gateway.targets import BenchmarkFailed
from benchmarks.prefix.run import Plan, run

ROOT = Path(__file__).parents[2]
TABLE_WIDTH = 140  # in a file no line is broken


class Router(StrEnum):
    """`models[].replicas.router`."""

    ROUND_ROBIN = "round_robin"
    POWER_OF_TWO = "power_of_two"
    PREFIX = "prefix"


BOTH = [Router.ROUND_ROBIN, Router.PREFIX]


def main(
    router: Annotated[list[Router], typer.Option(help="Which to measure, in this order.")] = BOTH,
    sessions: Annotated[int, typer.Option(min=2, help="Conversations, each with a system prompt of its own.")] = 20,
    rules: Annotated[int, typer.Option(min=1, help="Length of a system prompt, about 15 tokens each.")] = 65,
    turns: Annotated[int, typer.Option(min=2, help="Questions in each conversation.")] = 5,
    clients: Annotated[int, typer.Option(min=1, help="How many are asked at a time.")] = 4,
    seed: Annotated[int, typer.Option(help="Of the order in which sessions come.")] = 4,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = ROOT / "benchmarks" / "results",
    note: Annotated[str, typer.Option(help="A remark for the report.")] = "",
) -> None:
    """Measure the share of cached tokens and the time to the first token over two replicas."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = TABLE_WIDTH
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    models = default_home().absolute() / "models"
    plan = Plan([each.value for each in router], models, sessions, rules, turns, clients, seed, note)
    try:
        report = run(plan, console)
    except BenchmarkFailed as error:
        console.print(f"[red]No result:[/red] {escape(str(error))}")
        raise typer.Exit(1) from None
    report.print(console)
    console.print(f"Written: {report.save(results)}.json and .md")


if __name__ == "__main__":
    typer.run(main)
