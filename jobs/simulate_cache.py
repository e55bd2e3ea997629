"""Simulate the semantic cache on streams of questions whose right answers are known, and report errors and hits.

    python -m jobs.simulate_cache --seeds 3
    ray job submit -- python -m jobs.simulate_cache

No stack need run. Only groups of questions that trained nothing are used, unless --all-groups is given.
"""

import asyncio
import itertools
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.cache.judge import PairJudge
from app.cache.judge.literal.canon import core_of
from app.cache.judge.model import JudgeModel
from app.config import StackConfig
from app.config.files import PROJECT, load_stack
from app.evals.cache_judge.groups import DEFAULT_GROUPS, HALF_MODEL, Group, load_groups
from app.evals.cache_simulation.compare import Simulation, Trial
from app.evals.cache_simulation.plots import stream_figure
from app.evals.cache_simulation.record import record_simulation
from app.evals.cache_simulation.report import SimulationReport
from app.evals.cache_simulation.run import TTL_STEPS
from app.evals.cache_simulation.stream import SINGLES, TRAPS, ZIPF, endless
from app.evals.cache_simulation.world import build_world
from app.evals.provenance import git_commit
from app.evals.tracking import check_tracking
from jobs.command import (
    KEEP,
    Config,
    Experiment,
    MlflowUrl,
    Recording,
    explained,
    in_project,
    open_embedder,
    tracking_url,
)
from jobs.console import job_console
from jobs.judge.unseen import check_unseen, load_judge

# Requests drawn for each that the exact tier has no answer to; about one in two is a repeat.
DRAWN = 2.5
STEP = 64  # texts between two signs of progress
RECENT_QUESTIONS = 12_000  # analysed once; about 1 GB

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def simulate_cache(
    groups: Annotated[Path, typer.Option(help="Folder of JSONL files of question groups.")] = DEFAULT_GROUPS,
    all_groups: Annotated[bool, typer.Option(help="Also those that trained the judge: not a fair test.")] = False,
    judge: Annotated[
        Path, typer.Option(help="The judge's file; by default the one that the training half alone trained.")
    ] = HALF_MODEL,
    requests: Annotated[int, typer.Option(min=100, help="Requests that the exact tier does not answer.")] = 20_000,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Streams.")] = 3,
    first_seed: Annotated[int, typer.Option(help="Seed of the first stream; the others follow.")] = 1,
    label_noise: Annotated[float, typer.Option(min=0, max=0.5, help="Share of labels that are wrong.")] = 0.0,
    config: Config = None,
    plot: Annotated[Path | None, typer.Option(help="PNG file for the plot.", rich_help_panel=KEEP)] = None,
    experiment: Experiment = "sextant-cache-simulation",
    mlflow_url: MlflowUrl = None,
    recording: Recording = True,
) -> None:
    """Run the verified cache on simulated streams, beside the best fixed thresholds and vCache as published.

    Exit codes: 0 simulated; 2 it could not be simulated or recorded.
    """
    console = job_console(120)
    with explained("simulate_cache"):
        stack = load_stack(config)
        url = tracking_url(stack, mlflow_url, recording)
        if url is not None:
            check_tracking(url)
        every = load_groups(in_project(groups))
        used = [group for group in every if all_groups or not group.is_for_training]
        model = load_judge(judge)
        if not all_groups:
            check_unseen(model, len(every) - len(used))
        trials = _simulate(stack, model, used, requests, range(first_seed, first_seed + seeds), label_noise, console)
        report = SimulationReport(trials)
        console.print(report.table())
        console.print(report.verdict, markup=False, soft_wrap=True)
        if plot is not None:
            stream_figure(trials).savefig(plot)
            console.print(f"plot: {plot}", markup=False, soft_wrap=True)
        if url is not None:
            params = {
                "groups": len(used),
                "requests": requests,
                "seeds": seeds,
                "first_seed": first_seed,
                "label_noise": label_noise,
                "zipf": ZIPF,
                "traps": TRAPS,
                "singles": SINGLES,
                "ttl_requests": TTL_STEPS,
                "embedder": stack.embedder.id,
                "git_commit": git_commit(PROJECT),
                "judge_min_score": model.min_score,
                **{f"judge_{name}": model.card.get(name) for name in ("groups", "pairs", "git_commit")},
            }
            recorded = record_simulation(report, url=url, experiment=experiment, params=params)
            console.print(f"recorded: {recorded}", markup=False, soft_wrap=True)


def _simulate(
    stack: StackConfig,
    model: JudgeModel,
    groups: Sequence[Group],
    requests: int,
    seeds: range,
    label_noise: float,
    console: Console,
) -> list[Trial]:
    embedder = open_embedder(stack)
    judge = PairJudge(embedder, model, RECENT_QUESTIONS)
    known: dict[str, NDArray[np.float32]] = {}
    trials: list[Trial] = []
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:

        def embed(texts: Sequence[str]) -> NDArray[np.float32]:
            missing = [text for text in texts if text not in known]
            task = progress.add_task("embedding", total=len(missing))
            for start in range(0, len(missing), STEP):
                some = missing[start : start + STEP]
                known.update(zip(some, embedder.embed([core_of(text) for text in some]), strict=True))
                progress.advance(task, len(some))
            progress.remove_task(task)
            return np.stack([known[text] for text in texts])

        for seed in seeds:
            stream = list(itertools.islice(endless(groups, Random(seed)), round(requests * DRAWN)))  # noqa: S311
            world = build_world(stream, embed, stack.cache.semantic.min_similarity)
            task = progress.add_task(f"stream {seed}", total=Simulation.STEPS)
            simulation = Simulation(stream, world, judge, requests, seed, label_noise, partial(progress.advance, task))
            trials += asyncio.run(simulation.trials())
    return trials


if __name__ == "__main__":
    app(prog_name="python -m jobs.simulate_cache")
