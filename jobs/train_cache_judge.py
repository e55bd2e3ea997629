"""Train the semantic cache's judge on labelled pairs of questions, and report what it hits and what wrongly.

    python -m jobs.train_cache_judge
    python -m jobs.train_cache_judge --measure      only report what the half's model does
    ray job submit -- python -m jobs.train_cache_judge

No stack need run. A judge that the groups' training half trained is reported on the other half. What ships is trained
again in the same way, on all groups.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.cache.judge.model import MODEL_FILE, JudgeModel, probability_of
from app.config.files import PROJECT, load_stack
from app.evals.cache_judge.augment import made_pairs
from app.evals.cache_judge.curve import Curve, curve_of
from app.evals.cache_judge.groups import (
    DEFAULT_GROUPS,
    HALF_MODEL,
    Group,
    Pair,
    load_groups,
    pairs_within,
    unrelated_pairs,
    written_pairs,
)
from app.evals.cache_judge.record import record_judge
from app.evals.cache_judge.report import CONTRASTS, COSINE, JUDGE, JudgeReport
from app.evals.cache_judge.table import Table, tabulate
from app.evals.provenance import git_commit
from app.evals.tracking import check_tracking
from app.retrieval.embedder import Embedder
from app.whole_file import replacing
from jobs.command import (
    KEEP,
    Config,
    Experiment,
    MlflowUrl,
    Recording,
    check_output,
    explained,
    in_project,
    open_embedder,
    tracking_url,
)
from jobs.console import job_console
from jobs.judge.fit import REFUSED, apply_contrasts, fit, logits
from jobs.judge.unseen import check_unseen, load_judge

SEED = 20240
MEASURED, SHIPPED = "measured", "shipped"  # the model that one half has trained, and that of all groups

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def train_cache_judge(
    groups: Annotated[Path, typer.Option(help="Folder of JSONL files of question groups.")] = DEFAULT_GROUPS,
    wrong_hits: Annotated[
        float, typer.Option(min=0.001, max=0.2, help="Share of hits that may be wrong in cross-validation.")
    ] = 0.02,
    rounds: Annotated[int, typer.Option(min=0, help="Rounds of made pairs for each group.")] = 2,
    only_measure: Annotated[
        bool, typer.Option("--measure", help="Train nothing; measure the model in --half-out.")
    ] = False,
    config: Config = None,
    out: Annotated[
        Path, typer.Option(help="File of the model that all groups trained.", rich_help_panel=KEEP)
    ] = MODEL_FILE,
    half_out: Annotated[
        Path, typer.Option(help="File of the model that one half trained, for measurements.", rich_help_panel=KEEP)
    ] = HALF_MODEL,
    experiment: Experiment = "sextant-cache-judge",
    mlflow_url: MlflowUrl = None,
    recording: Recording = True,
) -> None:
    """Train the judge, choose its threshold by cross-validation, and measure it on groups that trained nothing.

    Exit codes: 0 trained or measured; 2 it could not be done or recorded.
    """
    console = job_console()
    with explained("train_cache_judge"):
        if not only_measure:
            check_output(out, ".npz")
            check_output(half_out, ".npz")
        stack = load_stack(config)
        url = tracking_url(stack, mlflow_url, recording)
        if url is not None:
            check_tracking(url)
        every = load_groups(in_project(groups))
        taught = [group for group in every if group.is_for_training]
        held_back = [group for group in every if not group.is_for_training]
        if only_measure:
            half = load_judge(half_out)
            check_unseen(half, len(taught), "train it on that half, by running this without --measure")
        embedder = open_embedder(stack)
        files = {MEASURED: half_out}
        if only_measure:
            tested = _tabulate(list(written_pairs(held_back)), embedder, console, "reading the test half")
            report, probabilities = _measure(half, tested, len(held_back))
            _show(report, console)
            params = _about(MEASURED, half, half_out)
        else:
            training = _tabulate(_training_pairs(taught, rounds), embedder, console, "reading the training half")
            other = _tabulate(_training_pairs(held_back, rounds), embedder, console, "reading the test half")
            tested = other.where(np.array([pair.source == "written" for pair in other.pairs]))
            card = {
                "wrong_hits": wrong_hits,
                "rounds": rounds,
                "embedder": stack.embedder.id,
                "git_commit": git_commit(PROJECT),
            }
            with console.status("training on one half, measuring on the other"):
                fitted = fit(training, wrong_hits)
                report, probabilities = _measure(fitted.model, tested, len(held_back), fitted.curve)
            half = replace(fitted.model, card={**card, "groups": len(taught), "pairs": len(training.pairs)})
            _save(half, half_out)
            _show(report, console)
            with console.status("training on all groups"):
                whole = training.joined(other)
                model = fit(whole, wrong_hits).model
            model = replace(model, card={**card, "groups": len(every), "pairs": len(whole.pairs)})
            _save(model, out)
            console.print(f"model: {out} ({out.stat().st_size / 1024:.0f} KiB)", markup=False, soft_wrap=True)
            files[SHIPPED] = out
            params = _about(MEASURED, half, half_out) | _about(SHIPPED, model, out)
        if url is not None:
            params |= {"embedder": stack.embedder.id, "git_commit": git_commit(PROJECT)}
            recorded = record_judge(
                report, tested.pairs, probabilities, files, url=url, experiment=experiment, params=params
            )
            console.print(f"recorded: {recorded}", markup=False, soft_wrap=True)


def _save(model: JudgeModel, path: Path) -> None:
    with replacing(path) as part:
        model.save(part)


def _about(role: str, model: JudgeModel, file: Path) -> dict[str, object]:
    """The parameters of a run that are one model's: the metrics are of the measured one alone."""
    facts = {**model.card, "min_score": model.min_score, "features": len(model.names), "file": file}
    return {f"{role}_{name}": value for name, value in facts.items()}


def _show(report: JudgeReport, console: Console) -> None:
    console.print(report.table())
    console.print(report.kinds())
    console.print(report.verdict, markup=False, soft_wrap=True)


def _training_pairs(groups: list[Group], rounds: int) -> list[Pair]:
    return [
        *written_pairs(groups),
        *pairs_within(groups),
        *made_pairs(groups, SEED, rounds),
        *unrelated_pairs(groups, SEED),
    ]


def _tabulate(pairs: list[Pair], embedder: Embedder, console: Console, what: str) -> Table:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=len(pairs))
        return tabulate(pairs, embedder, lambda: progress.advance(task))


def _measure(
    model: JudgeModel, tested: Table, groups: int, validation: Curve | None = None
) -> tuple[JudgeReport, list[float]]:
    """`validation`: the curve of cross-validation on what trained the model."""
    same, kinds = tested.same, np.array([pair.kind for pair in tested.pairs])
    cosine = tested.column("cosine").astype(np.float64)
    scores = {
        COSINE: cosine,
        CONTRASTS: apply_contrasts(tested, cosine),
        JUDGE: logits(model, tested),
    }
    threshold = float(np.log(model.min_score / (1 - model.min_score)))
    report = JudgeReport(
        groups=groups,
        pairs=len(tested.pairs),
        curves={method: curve_of(values, same, kinds) for method, values in scores.items()},
        raw_threshold=threshold,
        validation=None if validation is None else validation.at(threshold),
    )
    return report, [0.0 if logit <= REFUSED else probability_of(logit) for logit in scores[JUDGE].tolist()]


if __name__ == "__main__":
    app(prog_name="python -m jobs.train_cache_judge")
