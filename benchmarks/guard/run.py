"""One run: the rails in a process, then the stack; everything that was started is ended afterwards."""

import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from benchmarks.command import progress_bar
from benchmarks.guard import in_process, slow, streams, whole
from benchmarks.guard.provider import paced_answer
from benchmarks.guard.report import Report
from benchmarks.guard.stack import start_stack
from benchmarks.guard.texts import Texts, read_pieces
from benchmarks.machine import machine, peer_versions
from benchmarks.servers import fallen_named, free_port, supervised, wait_for
from deployments.processes import Supervisor

_SEED = 5
_QUESTION_LENGTH = 150  # characters of the questions that streams and the safety model get
_LLM_GUARD_PACKAGES = ("llm-guard", "bc-detect-secrets", "presidio-analyzer")


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    has_stack: bool
    has_peers: bool
    peer_environment: Path
    models: Path
    evals: Path  # evals/guard
    rounds: int
    texts: int  # of each length for each subject in a round
    requests: dict[int, int]  # of each way in a round, by number of clients
    streams: int  # of each way in a round
    judged: int  # requests that the safety model lets pass, and as many that it refuses
    chunk_ms: float
    tokens: int
    judge_ms: float
    note: str


def run(plan: Plan, console: Console) -> Report:
    """Measure. Raises BenchmarkFailed: a run in which any request failed has no result."""
    facts = machine("guard", _versions(plan.peer_environment))
    texts = Texts(*read_pieces(plan.evals), _SEED)
    report = Report(facts, plan.rounds, plan.chunk_ms, plan.tokens, plan.note)
    peers = plan.peer_environment if plan.has_peers else None
    with in_process.subjects(peers) as subjects, progress_bar(console) as progress:
        task = progress.add_task("rails", total=len(subjects) * len(in_process.LENGTHS) * plan.rounds)
        report.cells = in_process.measure(
            subjects, texts, plan.rounds, plan.texts, lambda what: progress.update(task, advance=1, description=what)
        )
        report.lines = [in_process.line(subject.name, report.cells) for subject in subjects]
    if plan.has_stack:
        with progress_bar(console) as progress:
            _measure_stack(plan, report, texts, progress)
    return report


def _measure_stack(plan: Plan, report: Report, texts: Texts, progress: Progress) -> None:
    with supervised() as supervisor, ExitStack() as cleanup, fallen_named(supervisor):
        provider_url = _start_provider(plan, supervisor)
        progress.console.print("Starting the stack")
        stack, mlflow_url = start_stack(supervisor, supervisor.logs / "s", plan.models, provider_url)
        cleanup.callback(stack.stop)
        target = stack.target("speed")
        task = progress.add_task("requests", total=whole.steps(plan.requests, plan.rounds))
        samples = whole.measure(
            target,
            stack.noop(),
            texts,
            plan.requests,
            plan.rounds,
            lambda what: progress.update(task, advance=1, description=what),
        )
        report.added = whole.summarize(samples)
        questions = texts.stream(_QUESTION_LENGTH)
        expected = paced_answer(plan.tokens)
        task = progress.add_task("streams", total=plan.rounds)
        found = streams.measure(
            target, questions, expected, plan.rounds, plan.streams, lambda _: progress.update(task, advance=1)
        )
        report.streams = streams.summarize(found, plan.chunk_ms)
        task = progress.add_task("safety model", total=plan.judged + 1)
        report.slow = slow.measure(
            target, mlflow_url, questions, plan.judge_ms, plan.judged, lambda _: progress.update(task, advance=1)
        )


def _start_provider(plan: Plan, supervisor: Supervisor) -> str:
    port = free_port()
    paces = (plan.chunk_ms, plan.judge_ms, plan.tokens)
    command = [sys.executable, "-m", "benchmarks.guard.provider", str(port), *map(str, paces)]
    url = f"http://127.0.0.1:{port}"
    wait_for(f"{url}/count", supervisor.start("provider", command, os.environ, essential=True))
    return url


def _versions(peer_environment: Path) -> dict[str, str]:
    return peer_versions(peer_environment / "llm-guard", _LLM_GUARD_PACKAGES)
