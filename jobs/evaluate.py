"""Ask the running stack a dataset of questions, grade the answers, record the run in MLflow.

    python -m jobs.evaluate
    ray job submit -- python -m jobs.evaluate --min-recall 0.8

It is a client of the stack like any other, and needs no Ray of its own.
"""

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.config import StackConfig, load_api_key
from app.config.files import PROJECT, load_stack
from app.evals import (
    Dataset,
    Evaluation,
    Report,
    Task,
    TrackingError,
    aggregate,
    load_dataset,
    run_task,
    standard_scorers,
)
from app.evals.gate import gate
from app.evals.progress import show_progress
from app.evals.provenance import config_digest, git_commit
from app.evals.record import answer_table, record
from app.evals.report import failures
from app.evals.solver import ChatSolver
from app.evals.stack import check_stack, connect, running_base_url
from app.evals.tracking import check_tracking
from jobs.command import Experiment, MlflowUrl, Recording, explained, in_project, is_described, tracking_url
from jobs.console import job_console

GATE_FAILED = 1
# The gateway's own deadline should be what ends a slow request: its error says more than ours.
TIMEOUT_MARGIN_S = 10.0

ASK, RUN, GATE = "What is asked", "How it is run", "When the eval fails (exit 1)"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Plan:
    """An eval that has been checked and can start."""

    config: StackConfig
    is_described: bool  # whether `config` is that of the stack that is asked
    base_url: str
    mlflow_url: str | None  # None: print only
    experiment: str
    model: str
    concurrency: int
    k: int
    retrieval: bool
    max_tokens: int
    use_cache: bool
    limit: int | None


@app.command()
def evaluate(
    dataset: Annotated[
        Path,
        typer.Option(
            help="JSONL file, one question a line: id, question, documents, answers, tags.",
            rich_help_panel=ASK,
        ),
    ] = Path("evals/smoke.jsonl"),
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Only the first N questions; all when absent.", rich_help_panel=ASK),
    ] = None,
    model: Annotated[str, typer.Option(help="Model or alias that answers.", rich_help_panel=ASK)] = "docs",
    retrieval: Annotated[
        bool,
        typer.Option(
            help="Off, the model answers without the documents; recall is then unscored.", rich_help_panel=ASK
        ),
    ] = True,
    k: Annotated[
        int,
        typer.Option("--k", min=1, max=50, help="Passages asked for, and the k of recall@k.", rich_help_panel=ASK),
    ] = 5,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.", rich_help_panel=ASK)] = 256,
    base_url: Annotated[
        str | None,
        typer.Option(
            help="The stack's OpenAI URL. By default that of the stack `make serve` "
            "started, else http://127.0.0.1:8000/v1.",
            rich_help_panel=RUN,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="The stack's YAML. By default that of the running stack; with the --base-url of another stack "
            "name its own, or its digest is not recorded.",
            rich_help_panel=RUN,
        ),
    ] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, max=1024, help="Questions in progress at once.", rich_help_panel=RUN)
    ] = 2,
    use_cache: Annotated[
        bool,
        typer.Option(
            "--use-cache",
            help="Let the cache answer. Otherwise every request says "
            "no-store, so that latencies are of real generations.",
            rich_help_panel=RUN,
        ),
    ] = False,
    experiment: Experiment = "sextant-evals",
    mlflow_url: MlflowUrl = None,
    recording: Recording = True,
    min_recall: Annotated[
        float | None, typer.Option(min=0, max=1, help="Least mean recall@k.", rich_help_panel=GATE)
    ] = None,
    max_errors: Annotated[int, typer.Option(min=0, help="Most requests that may fail.", rich_help_panel=GATE)] = 0,
) -> None:
    """Ask the running stack a dataset of questions and grade the answers.

    Each question goes through the whole stack, as a client's would.
    Prints recall@k, reciprocal rank, correctness, citations, latency
    and tokens, with 95% intervals, and records them in MLflow with
    every answer. Running it again adds another run.

    Exit codes: 0 passed; 1 a gate failed; 2 it could not be run or recorded.

    Examples:

      python -m jobs.evaluate --limit 5 --no-record

      python -m jobs.evaluate --min-recall 0.8

      python -m jobs.evaluate --model chat --no-retrieval
    """
    console = job_console()
    with explained("evaluate"):
        stack = load_stack(config)
        url = tracking_url(stack, mlflow_url, recording)
        asked = base_url or running_base_url(stack.home)
        plan = Plan(
            config=stack,
            is_described=is_described(stack, config, asked),
            base_url=asked,
            mlflow_url=url,
            experiment=experiment,
            model=model,
            concurrency=concurrency,
            k=k,
            retrieval=retrieval,
            max_tokens=max_tokens,
            use_cache=use_cache,
            limit=limit,
        )
        questions = load_dataset(in_project(dataset)).first(plan.limit)
        evaluation = asyncio.run(_ask(plan, questions, console))
        report = aggregate(evaluation)
        console.print(report.table(f"{model} on {evaluation.dataset.name}"))
        for line in failures(evaluation):
            console.print(line, markup=False, soft_wrap=True)
        _keep(plan, evaluation, report, console)
    problems = gate(report, f"recall_at_{k}", min_recall=min_recall, max_errors=max_errors)
    for problem in problems:
        console.print(f"gate: {problem}", style="red", markup=False, soft_wrap=True)
    if problems:
        raise typer.Exit(GATE_FAILED)


async def _ask(plan: Plan, dataset: Dataset, console: Console) -> Evaluation:
    """Check whatever can be checked, then ask. Raises EvalError and ConfigError."""
    if plan.mlflow_url is not None:
        check_tracking(plan.mlflow_url)
    async with connect(plan.base_url, load_api_key(plan.config.home)) as client:
        await check_stack(client, plan.model)
        solver = ChatSolver(
            client,
            plan.model,
            top_k=plan.k if plan.retrieval else None,
            max_tokens=plan.max_tokens,
            timeout_s=plan.config.gateway.request_timeout_s + TIMEOUT_MARGIN_S,
            use_cache=plan.use_cache,
        )
        task = Task(dataset, solver, standard_scorers(plan.k))
        with show_progress(console, len(dataset.samples)) as advance:
            return await run_task(task, concurrency=plan.concurrency, on_result=advance)


def _keep(plan: Plan, evaluation: Evaluation, report: Report, console: Console) -> None:
    """Record in MLflow; if that fails the answers go to a file, since asking again may be dear."""
    if plan.mlflow_url is None:
        return
    try:
        recorded = record(
            evaluation,
            report,
            url=plan.mlflow_url,
            experiment=plan.experiment,
            params=_params(plan, evaluation),
        )
    except TrackingError as error:
        saved = plan.config.home / "run" / f"answers-{time.strftime('%Y%m%d-%H%M%S')}.json"
        saved.parent.mkdir(parents=True, exist_ok=True)
        saved.write_text(json.dumps({"metrics": report.metrics(), "answers": answer_table(evaluation)}))
        raise TrackingError(f"{error}; the answers are in {saved}") from None
    console.print(f"recorded: {recorded}", markup=False, soft_wrap=True)


def _params(plan: Plan, evaluation: Evaluation) -> dict[str, object]:
    params: dict[str, object] = {
        "model": plan.model,
        "dataset": evaluation.dataset.name,
        "dataset_sha256": evaluation.dataset.sha256,
        "concurrency": plan.concurrency,
        "k": plan.k,
        "retrieval": plan.retrieval,
        "max_tokens": plan.max_tokens,
        "use_cache": plan.use_cache,
        "base_url": plan.base_url,
        "limit": plan.limit,
        "config_digest": config_digest(plan.config) if plan.is_described else None,
        "git_commit": git_commit(PROJECT),
    }
    return {name: value for name, value in params.items() if value is not None}


if __name__ == "__main__":
    app(prog_name="python -m jobs.evaluate")
