"""Measure what the guard finds of personal data and secrets, beside bare Presidio and, where it is installed, DataFog.

    python -m jobs.measure_pii --no-record
    python -m venv DIR && DIR/bin/pip install datafog==4.9.0
    python -m jobs.measure_pii --datafog DIR/bin/python

No stack need run. Figures are of the test half of the marked texts, and of the set that was written apart; `--show`
prints what went wrong in the training half, the only one to tune on.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.config.files import PROJECT, load_stack
from app.evals.guard.pii import FOLDER, FRESH, TRAINING, Marked, Measured, Span, load_marked, measure
from app.evals.guard.pii_detectors import Detector, datafog, presidio, rails
from app.evals.guard.pii_report import PiiReport, record_pii
from app.evals.provenance import git_commit
from app.evals.tracking import check_tracking
from jobs.command import Config, Experiment, MlflowUrl, Recording, explained, in_project, tracking_url
from jobs.console import job_console

STEP = 32  # texts at a time

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def measure_pii(
    folder: Annotated[Path, typer.Option(help="Folder of JSONL files of marked texts.")] = FOLDER,
    datafog_python: Annotated[Path | None, typer.Option("--datafog", help="A Python that has datafog.")] = None,
    show: Annotated[bool, typer.Option(help="Print the errors in the training half instead.")] = False,
    config: Config = None,
    experiment: Experiment = "sextant-guard-pii",
    mlflow_url: MlflowUrl = None,
    recording: Recording = True,
) -> None:
    """Precision and recall by type of personal data.

    Exit codes: 0 measured; 2 it could not be measured or recorded.
    """
    console = job_console(width=140)
    with explained("measure_pii"):
        stack = load_stack(config)
        url = None if show else tracking_url(stack, mlflow_url, recording)
        if url is not None:
            check_tracking(url)
        model = stack.guard.language_model
        texts = load_marked(in_project(folder))
        ours = rails(model)
        if show:
            training = [text for text in texts if text.is_for_training and text.source != TRAINING]
            _show(measure(training, _detect(ours, training, console, "guard")), console)
            return
        detectors: dict[str, Detector] = {"guard": ours, "Presidio": presidio(model)}
        if datafog_python is not None:
            detectors["DataFog"] = datafog(datafog_python)
        reports = []
        for name, some in (
            ("test half", [text for text in texts if not text.is_for_training and text.source != FRESH]),
            (FRESH, [text for text in texts if text.source == FRESH]),
        ):
            if some:
                measured = {
                    by: measure(some, _detect(detector, some, console, f"{name}: {by}"))
                    for by, detector in detectors.items()
                }
                reports.append(PiiReport(name, some, measured))
        for report in reports:
            console.print(report.table())
            console.print(report.verdict, markup=False, soft_wrap=True)
        if url is not None:
            params = {"texts": len(texts), "language_model": model, "git_commit": git_commit(PROJECT)}
            recorded = record_pii(reports, url=url, experiment=experiment, params=params)
            console.print(f"recorded: {recorded}", markup=False, soft_wrap=True)


def _detect(detector: Detector, texts: Sequence[Marked], console: Console, what: str) -> list[list[Span]]:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    found: list[list[Span]] = []
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=len(texts))
        for start in range(0, len(texts), STEP):
            found += detector(texts[start : start + STEP])
            progress.update(task, completed=len(found))
    return found


def _show(measured: Measured, console: Console) -> None:
    for what, spans in (("missed", measured.missed), ("wrong", measured.wrong)):
        for text, span in sorted(spans, key=lambda pair: pair[1].type):
            around = text.text[max(0, span.start - 50) : span.end + 30].replace("\n", "\\n")
            value = text.text[span.start : span.end]
            console.print(f"{what} {span.type} {value!r}: {around}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    app(prog_name="python -m jobs.measure_pii")
