"""Measure search on questions with gold passages: dense, BM25, plain fusion of both, and the search that ships.

    python -m jobs.evaluate_retrieval --no-record
    python -m jobs.evaluate_retrieval --split test --distractors 2000

No stack need run: the documents go into a knowledge base in a temporary folder. With --url a running stack is asked.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.config import StackConfig, load_api_key
from app.config.files import PROJECT, load_stack
from app.evals.errors import DatasetError, EvalError, TrackingError
from app.evals.provenance import config_digest, git_commit
from app.evals.retrieval.corpus import Document, digest, distractors, documents, write
from app.evals.retrieval.index import TENANT, cut_all, fill, parse_all
from app.evals.retrieval.measure import decide, measure
from app.evals.retrieval.outcomes import Measured
from app.evals.retrieval.questions import QUESTIONS, Located, QuestionSet, load_questions, locate_all
from app.evals.retrieval.record import record_retrieval, save_outcomes
from app.evals.retrieval.report import RetrievalReport, errors
from app.evals.retrieval.systems import Choice, System, baselines, shipped
from app.evals.retrieval.vectors import VectorCache
from app.evals.tracking import check_tracking
from app.retrieval.types import Reader
from jobs.command import (
    KEEP,
    Config,
    Experiment,
    MlflowUrl,
    Recording,
    explained,
    in_project,
    is_described,
    open_embedder,
    tracking_url,
)
from jobs.console import job_console

if TYPE_CHECKING:
    from app.retrieval.embedder import Embedder

GATE_FAILED = 1
Advance = Callable[[int], object]

ASK, RUN, GATE = "What is asked", "How it is run", "When the eval fails (exit 1)"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Plan:
    """A measurement that can start."""

    stack: StackConfig
    url: str | None  # of the running stack that is asked
    is_described: bool  # whether `stack` is the configuration of what is asked
    questions: QuestionSet
    split: Literal["train", "test"]
    corpus: Sequence[Document]
    distractors: int
    rerankers: Sequence[Path]
    only_baselines: bool


@app.command()
def evaluate_retrieval(
    split: Annotated[
        Literal["train", "test"],
        typer.Option(help="Half of the questions. Tune on train; test is for a result.", rich_help_panel=ASK),
    ] = "train",
    dataset: Annotated[Path, typer.Option(help="JSONL file of questions.", rich_help_panel=ASK)] = QUESTIONS,
    further: Annotated[
        int,
        typer.Option("--distractors", min=0, help="Further documents: sources of packages.", rich_help_panel=ASK),
    ] = 0,
    rerank: Annotated[
        list[Path] | None,
        typer.Option(help="Directory of a cross-encoder to measure as well; may be repeated.", rich_help_panel=RUN),
    ] = None,
    only_baselines: Annotated[
        bool, typer.Option("--baselines", help="Without the search that ships.", rich_help_panel=RUN)
    ] = False,
    url: Annotated[
        str | None,
        typer.Option(
            help="Ask a running stack instead, at its OpenAI URL. Ingest the files of --write-corpus into it first.",
            rich_help_panel=RUN,
        ),
    ] = None,
    write_corpus: Annotated[
        Path | None, typer.Option(help="Write the documents below this folder, and end.", rich_help_panel=RUN)
    ] = None,
    show: Annotated[bool, typer.Option(help="Print what was not found; on train only.", rich_help_panel=RUN)] = False,
    config: Config = None,
    out: Annotated[Path | None, typer.Option(help="JSON file for numbers and outcomes.", rich_help_panel=KEEP)] = None,
    experiment: Experiment = "sextant-retrieval",
    mlflow_url: MlflowUrl = None,
    recording: Recording = True,
    min_recall: Annotated[
        float | None, typer.Option(min=0, max=1, help="Least mean recall@5 of the search.", rich_help_panel=GATE)
    ] = None,
) -> None:
    """Measure search on questions with gold passages.

    Prints recall@k, nDCG@10 and reciprocal rank, how well questions
    without an answer are told, paired differences with 95% intervals,
    and recall by kind of question, and records them in MLflow.

    Exit codes: 0 passed; 1 the gate failed; 2 it could not be measured or recorded.

    Examples:

      python -m jobs.evaluate_retrieval --no-record --show

      python -m jobs.evaluate_retrieval --split test --distractors 2000

      python -m jobs.evaluate_retrieval --url http://127.0.0.1:8000/v1
    """
    console = job_console(width=140)
    with explained("evaluate_retrieval"):
        if url is not None:
            _refuse({"--rerank": rerank, "--baselines": only_baselines, "--distractors": further})
        corpus = [*documents(), *distractors(further)]
        if write_corpus is not None:
            console.print(f"{write(corpus, write_corpus)} documents are below {write_corpus}", markup=False)
            return
        if show and split == "test":
            raise DatasetError("--show is for the training half: who has read the test half's errors has tuned on it")
        stack = load_stack(config)
        tracking = tracking_url(stack, mlflow_url, recording)
        if tracking is not None:
            check_tracking(tracking)
        plan = Plan(
            stack=stack,
            url=url,
            is_described=url is None or is_described(stack, config, url),
            questions=load_questions(in_project(dataset)),
            split=split,
            corpus=corpus,
            distractors=further,
            rerankers=tuple(rerank or ()),
            only_baselines=only_baselines,
        )
        report = asyncio.run(_measure(plan, console))
        for table in report.tables():
            console.print(table)
        _tell(report, show, console)
        if out is not None:
            save_outcomes(report, out)
        if tracking is not None:
            _record(plan, report, tracking, experiment, console)
    reached = report.subject.mean("recall_at_5")
    if min_recall is not None and not reached >= min_recall:
        console.print(f"gate: recall@5 is {reached:.3f}, less than {min_recall:g}", style="red", markup=False)
        raise typer.Exit(GATE_FAILED)


def _refuse(given: Mapping[str, object]) -> None:
    """Raises EvalError for options that say how the search here is run, where a running stack is asked."""
    names = [name for name, value in given.items() if value]
    if names:
        raise EvalError(
            f"--url asks a running stack as it is, and {', '.join(names)} would change nothing; leave it out"
        )


async def _measure(plan: Plan, console: Console) -> RetrievalReport:
    """Raises EvalError."""
    parsed, unreadable = parse_all(plan.corpus)
    located, missing = locate_all(plan.questions.questions, parsed)
    embedder = open_embedder(plan.stack)
    cache = VectorCache.open(plan.stack.path(plan.stack.embedder.directory) / "model.onnx")
    try:
        facts: dict[str, object] = {}  # of what is asked: nobody here knows what a running stack holds
        title = f"{plan.split} half"
        if plan.url is not None:
            from app.evals.retrieval.running import open_running

            facts["url"] = plan.url
            async with open_running(_with_slash(plan.url), load_api_key(plan.stack.home)) as running:
                systems = await _ask_all(plan, running, located, embedder, cache, console)
        else:
            from app.retrieval.embedded_store import EmbeddedStore

            chunks = cut_all(parsed, embedder)
            facts |= {"documents": len(parsed), "unreadable": len(unreadable), "chunks": len(chunks)}
            title += f", {len(parsed)} documents, {len(chunks):,} passages"
            with tempfile.TemporaryDirectory(prefix="sextant-retrieval-") as folder:
                store = EmbeddedStore(Path(folder), embedder.dimensions)
                try:
                    reader = Reader(TENANT)
                    asked: list[System] = baselines(store, reader)
                    if not plan.only_baselines:
                        asked += shipped(store, reader, Choice(plan.stack.retrieval, plan.rerankers))
                    with _progress(console, "passages", len(chunks)) as advance:
                        await fill(store, chunks, embedder, cache, advance)
                    systems = await _ask_all(plan, asked, located, embedder, cache, console)
                finally:
                    await store.close()
    finally:
        cache.close()
    wanted = {question.id for question in plan.questions.of(plan.split)}
    return RetrievalReport(title, systems, [pair for pair in missing if pair[0].id in wanted], facts)


async def _ask_all(
    plan: Plan,
    systems: Sequence[System],
    located: Sequence[Located],
    embedder: "Embedder",
    cache: VectorCache,
    console: Console,
) -> list[Measured]:
    halves = {split: [each for each in located if each.question.split == split] for split in ("train", "test")}
    if not halves[plan.split]:
        raise DatasetError(f"no question of the {plan.split} half can be asked of the documents that are here")
    measured: list[Measured] = []
    for system in systems:
        found = await _ask(system, halves[plan.split], embedder, cache, console)
        if all(outcome.relevant is not None for outcome in found.outcomes) or not halves["train"]:
            measured.append(found)
            continue
        training = found if plan.split == "train" else await _ask(system, halves["train"], embedder, cache, console)
        measured.append(decide(found, training))
    return measured


async def _ask(
    system: System, questions: Sequence[Located], embedder: "Embedder", cache: VectorCache, console: Console
) -> Measured:
    queries = [each.question.query for each in questions]
    # Not in a thread: nothing else runs meanwhile, and SQLite's connection stays where it was made.
    vectors = cache.embed(queries, embedder)
    with _progress(console, system.name, len(questions)) as advance:
        done = iter(range(1, len(questions) + 1))
        return await measure(system, questions, vectors, lambda: advance(next(done)))


def _tell(report: RetrievalReport, show: bool, console: Console) -> None:
    for question, gold in report.missing:
        console.print(f"left out: {question.id}, not in {gold.document}: {gold.quote}", markup=False, soft_wrap=True)
    console.print(report.verdict, markup=False, soft_wrap=True)
    for line in errors(report.subject) if show else ():
        console.print(line, markup=False, soft_wrap=True)


def _record(plan: Plan, report: RetrievalReport, url: str, experiment: str, console: Console) -> None:
    """If MLflow does not take it, the outcomes go to a file: measuring again takes minutes."""
    params: dict[str, object] = {
        "split": plan.split,
        "dataset": plan.questions.path.stem,
        "dataset_sha256": plan.questions.sha256,
        "git_commit": git_commit(PROJECT),
    }
    if plan.url is None:
        params |= {"corpus": digest(plan.corpus), "distractors": plan.distractors}
    if plan.is_described:
        params |= {"embedder": plan.stack.embedder.id, "config_digest": config_digest(plan.stack)}
    try:
        recorded = record_retrieval(report, plan.questions, url=url, experiment=experiment, params=params)
    except TrackingError as error:
        saved = plan.stack.home / "run" / f"retrieval-{time.strftime('%Y%m%d-%H%M%S')}.json"
        save_outcomes(report, saved)
        raise TrackingError(f"{error}; the outcomes are in {saved}") from None
    console.print(f"recorded: {recorded}", markup=False, soft_wrap=True)


@contextmanager
def _progress(console: Console, what: str, total: int) -> Iterator[Advance]:
    """Gives the function to call with how many are done."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(what, total=total)
        yield lambda done: progress.update(bar, completed=done)


def _with_slash(url: str) -> str:
    return url if url.endswith("/") else f"{url}/"


if __name__ == "__main__":
    app(prog_name="python -m jobs.evaluate_retrieval")
