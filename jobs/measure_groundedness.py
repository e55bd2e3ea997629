"""Measure how well the rail `groundedness` finds unsupported sentences, on the test half of its labelled set.

    python -m jobs.measure_groundedness [--fit] [--show]

`--fit` prints weights fitted on the training half, to be pasted into app/guard/output/support.py.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from app.evals.guard.groundedness import Measured, fit, load_answered, measure, measure_by_marks
from app.retrieval.embedder import Embedder
from app.retrieval.types import Vector
from jobs.command import in_project
from jobs.console import job_console

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def measure_groundedness(
    model: Annotated[Path, typer.Option(help="The embedding model's directory.")] = Path(
        ".sextant/models/all-minilm-l6-v2"
    ),
    fitted: Annotated[bool, typer.Option("--fit", help="Fit the weights on the training half instead.")] = False,
    show: Annotated[bool, typer.Option(help="Print the training half's errors.")] = False,
) -> None:
    """Precision and recall of unsupported sentences."""
    console = job_console()
    embedder = Embedder(in_project(model))

    async def embed(texts: Sequence[str]) -> list[Vector]:
        return list(await asyncio.to_thread(embedder.embed, texts))

    rows = load_answered()
    training, test = [r for r in rows if r.is_for_training], [r for r in rows if not r.is_for_training]
    if fitted:
        weights, bias = asyncio.run(fit(training, embed))
        console.print({name: round(weight, 2) for name, weight in weights.items()}, "BIAS", round(bias, 2))
        return
    table = Table("half", "by", "claims", "unsupported", "precision", "recall", "ms a claim")
    for half, some in (("training", training), ("test", test)):
        found = asyncio.run(measure(some, embed))
        table.add_row(half, "the rail", *_cells(found), f"{found.seconds / found.claims * 1000:.1f}")
        table.add_row(half, "marks alone", *_cells(measure_by_marks(some)), "")
        if show and half == "training":
            console.print("missed", found.missed, "wrong", found.wrong)
    console.print(table)


def _cells(found: Measured) -> tuple[str, ...]:
    return str(found.claims), str(found.unsupported), f"{found.precision:.3f}", f"{found.recall:.3f}"


if __name__ == "__main__":
    app(prog_name="python -m jobs.measure_groundedness")
