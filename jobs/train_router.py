"""Train the tiered router's classifier from graded answers of two models, and report what it saves.

    python -m jobs.train_router --small smollm2-135m --large qwen2.5-coder-0.5b
    ray job submit -- python -m jobs.train_router

Answers are asked of the running stack, and kept: what is in --grades already is not asked again, and
with all of it there no stack is needed.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from app.config import ConfigError, StackConfig, load_api_key
from app.config.files import PROJECT, load_stack
from app.config.routing import TiersConfig
from app.evals import Dataset, load_dataset
from app.evals.provenance import git_commit
from app.evals.solver import ChatSolver
from app.evals.stack import check_stack, connect, running_base_url
from app.evals.tiers.ask import ask_missing
from app.evals.tiers.comparison import Prices, compare
from app.evals.tiers.grades import GradeBook, Pair, category_of, most_tokens
from app.evals.tiers.logistic import Floats
from app.evals.tiers.record import record_training
from app.evals.tiers.report import RouterReport
from app.evals.tiers.training import Models, Training, train
from app.evals.tiers.validation import check_categories, cross_validate, leave_categories_out
from app.evals.tracking import check_tracking
from jobs.command import (
    KEEP,
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

DEFAULT_TARGET_QUALITY = 0.95
DEFAULT_CLASSIFIER = TiersConfig.model_fields["classifier"].default
# The gateway's own deadline should be what ends a slow request: its error says more than ours.
TIMEOUT_MARGIN_S = 10.0

ASK, TRAIN = "What is asked", "What is trained"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Plan:
    """A training that has been checked and can start."""

    config: StackConfig
    dataset: Dataset
    grades: Path
    base_url: str
    models: Models
    target_quality: float
    prices: Prices
    max_tokens: int
    concurrency: int


@app.command()
def train_router(
    dataset: Annotated[
        Path, typer.Option(help="JSONL file of prompts, each with a grading rule among its tags.", rich_help_panel=ASK)
    ] = Path("evals/router/prompts.jsonl"),
    grades: Annotated[
        Path | None,
        typer.Option(
            help="JSONL file of graded answers; what it lacks is asked and added. By default "
            "<home>/router/grades.jsonl. Move it away when a model has changed, or to ask anew with --max-tokens.",
            rich_help_panel=ASK,
        ),
    ] = None,
    small: Annotated[
        str | None, typer.Option(help="The cheap model. By default that of the cost-tiered alias.", rich_help_panel=ASK)
    ] = None,
    large: Annotated[
        str | None, typer.Option(help="The dear model. By default that of the cost-tiered alias.", rich_help_panel=ASK)
    ] = None,
    max_tokens: Annotated[
        int, typer.Option(min=1, help="Longest answer to what is asked now, in tokens.", rich_help_panel=ASK)
    ] = 192,
    concurrency: Annotated[
        int, typer.Option(min=1, max=1024, help="Prompts in progress at once.", rich_help_panel=ASK)
    ] = 4,
    base_url: Annotated[
        str | None,
        typer.Option(help="The stack's OpenAI URL. By default that of the running stack.", rich_help_panel=ASK),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="The stack's YAML. By default that of the running stack.", rich_help_panel=ASK),
    ] = None,
    alias: Annotated[
        str | None,
        typer.Option(help="The cost-tiered alias, where several could be meant.", rich_help_panel=ASK),
    ] = None,
    target_quality: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Share of the large model's quality to keep. By default that of the cost-tiered alias, else 0.95.",
            rich_help_panel=TRAIN,
        ),
    ] = None,
    small_usd: Annotated[
        float, typer.Option(min=0, help="Small model's price, USD for a million tokens.", rich_help_panel=TRAIN)
    ] = 0.1,
    large_usd: Annotated[
        float, typer.Option(min=0, help="Large model's price, USD for a million tokens.", rich_help_panel=TRAIN)
    ] = 0.6,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The classifier's file. By default where the alias has it, else <home>/router/tiers.npz.",
            rich_help_panel=KEEP,
        ),
    ] = None,
    experiment: Experiment = "sextant-router",
    mlflow_url: MlflowUrl = None,
    recording: Recording = True,
) -> None:
    """Train the classifier of the policy cost-tiered, and measure it.

    Half of the prompts train it; the report is on the other half: the
    large model alone, the small one alone, the classifier at the target
    quality, the same routing shuffled, and an oracle, with 95%
    intervals. A classifier that is no better than the shuffled control
    is reported as such.

    Exit codes: 0 trained; 2 it could not be trained or recorded.
    """
    console = job_console()
    with explained("train_router"):
        stack = load_stack(config)
        tiers = _tiers(stack, alias, small, large)
        if tiers:
            small, large = small or tiers.small, large or tiers.large
        if not small or not large:
            raise ConfigError(["no alias has the policy cost-tiered; name the models with --small and --large"])
        url = tracking_url(stack, mlflow_url, recording)
        if target_quality is None:
            target_quality = tiers.target_quality if tiers else DEFAULT_TARGET_QUALITY
        plan = Plan(
            config=stack,
            dataset=load_dataset(in_project(dataset)),
            grades=grades or stack.home / "router" / "grades.jsonl",
            base_url=base_url or running_base_url(stack.home),
            models=Models(stack.embedder.id, small, large),
            target_quality=target_quality,
            prices=Prices(small_usd, large_usd),
            max_tokens=max_tokens,
            concurrency=concurrency,
        )
        check_categories(map(category_of, plan.dataset.samples))
        saved_as = out or stack.path(tiers.classifier if tiers else DEFAULT_CLASSIFIER)
        check_output(saved_as)
        if url is not None:
            check_tracking(url)
        pairs = asyncio.run(_graded(plan, console))
        vectors = _embed(stack, pairs)
        with console.status("training and cross-validating"):
            training = _train(plan, pairs, vectors)
            probabilities = np.array([training.classifier.probability(vector) for vector in vectors])
            threshold = training.classifier.threshold_for(target_quality)
            report = _measure(plan, pairs, vectors, probabilities, threshold)
        console.print(report.table(f"{small} or {large}, {report.comparison.prompts} prompts that did not train"))
        console.print(report.verdict, markup=False, soft_wrap=True)
        training.classifier.save(saved_as)
        console.print(f"classifier: {saved_as}", markup=False, soft_wrap=True)
        if url is not None:
            recorded = record_training(
                report,
                pairs,
                probabilities,
                saved_as,
                plan.dataset.path,
                url=url,
                experiment=experiment,
                params=_params(plan, training),
            )
            console.print(f"recorded: {recorded}", markup=False, soft_wrap=True)


def _tiers(stack: StackConfig, alias: str | None, small: str | None, large: str | None) -> TiersConfig | None:
    """Those of the alias of that name, else those that have the models; None where there are none.

    Raises ConfigError where it cannot be told which are meant.
    """
    tiered = {name: settings.tiers for name, settings in stack.aliases.items() if settings.tiers}
    if alias is not None:
        if alias not in tiered:
            known = ", ".join(tiered) or "none"
            raise ConfigError([f"--alias: {alias!r} has not the policy cost-tiered; those that have: {known}"])
        return tiered[alias]
    if len(tiered) == 1:
        return next(iter(tiered.values()))
    meant = {
        name: tiers
        for name, tiers in tiered.items()
        if tiers.small == (small or tiers.small) and tiers.large == (large or tiers.large)
    }
    if len({tiers.model_dump_json() for tiers in meant.values()}) > 1:
        raise ConfigError([f"several aliases have the policy cost-tiered: {', '.join(meant)}; choose one with --alias"])
    return next(iter(meant.values()), None)


async def _graded(plan: Plan, console: Console) -> tuple[Pair, ...]:
    """The pairs, after asking for what is missing. Prompts that fail are left out, and counted."""
    book = GradeBook(plan.grades)
    names = plan.models.small, plan.models.large
    if any(book.missing(plan.dataset, model) for model in names):
        async with connect(plan.base_url, load_api_key(plan.config.home)) as client:
            for model in names:
                await check_stack(client, model)
            for model in names:
                solver = ChatSolver(
                    client,
                    model,
                    top_k=None,
                    max_tokens=plan.max_tokens,
                    timeout_s=plan.config.gateway.request_timeout_s + TIMEOUT_MARGIN_S,
                )
                failed = await ask_missing(book, plan.dataset, solver, plan.concurrency, console)
                if failed:
                    console.print(f"{model}: {failed} requests failed; run this again to ask them anew", markup=False)
    pairs = book.pairs(plan.dataset, *names)
    check_categories(pair.category for pair in pairs)  # requests may have failed
    return pairs


def _embed(config: StackConfig, pairs: Sequence[Pair]) -> Floats:
    """As the stack embeds a question. Shape (prompts, dimensions). Raises StackError without the model."""
    return open_embedder(config).embed([pair.question for pair in pairs]).astype(np.float64)


def _train(plan: Plan, pairs: Sequence[Pair], vectors: Floats) -> Training:
    taught = [row for row, pair in enumerate(pairs) if pair.is_for_training]
    provenance = {
        "dataset_sha256": plan.dataset.sha256,
        "prompts": len(taught),
        "max_tokens": most_tokens(pairs),  # what was asked with, today or before
        "git_commit": git_commit(PROJECT),
    }
    return train([pairs[row] for row in taught], vectors[taught], plan.models, provenance)


def _measure(
    plan: Plan, pairs: Sequence[Pair], vectors: Floats, probabilities: Floats, threshold: float
) -> RouterReport:
    tested = [row for row, pair in enumerate(pairs) if not pair.is_for_training]
    every = pairs, vectors, plan.models, plan.prices, plan.target_quality
    return RouterReport(
        compare([pairs[row] for row in tested], probabilities[tested], threshold, plan.prices),
        cross_validate(*every),
        leave_categories_out(*every),
    )


def _params(plan: Plan, training: Training) -> dict[str, object]:
    return {
        "small": plan.models.small,
        "large": plan.models.large,
        "embedder": plan.models.embedder,
        "dataset": plan.dataset.name,
        "target_quality": plan.target_quality,
        "small_usd_per_million": plan.prices.small,
        "large_usd_per_million": plan.prices.large,
        "penalty": training.penalty,
        "train_log_loss": training.log_loss,
        **{name: value for name, value in training.classifier.provenance.items() if value is not None},
    }


if __name__ == "__main__":
    app(prog_name="python -m jobs.train_router")
