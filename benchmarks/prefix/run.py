"""One run: the same sessions with each router, one stack after the other, everything ended afterwards."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.command import ROOT, progress_bar
from benchmarks.errors import BenchmarkFailed
from benchmarks.machine import machine
from benchmarks.prefix.load import Sample, play, warm_up
from benchmarks.prefix.report import Report
from benchmarks.prefix.sessions import Session
from benchmarks.prefix.stack import Stack, running_stack
from benchmarks.servers import supervised

_WARM_UP_REQUESTS = 8


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    routers: Sequence[str]
    models: Path
    sessions: int
    rules: int
    turns: int
    clients: int
    seed: int
    note: str


def run(plan: Plan, console: Console) -> Report:
    """Measure. Raises BenchmarkFailed: a run in which any request failed has no result."""
    facts = machine("prefix", peers={})
    samples: dict[str, list[Sample]] = {}
    overhead: dict[str, float] = {}
    with supervised() as supervisor:
        for number, router in enumerate(plan.routers):
            with running_stack(supervisor, supervisor.logs / str(number), plan.models, router) as stack:
                samples[router] = _play(plan, router, stack, console)
                if router == "prefix":
                    overhead = _overhead(stack)
    return Report(facts, plan.sessions, plan.turns, plan.clients, plan.note, samples, overhead)


def _play(plan: Plan, router: str, stack: Stack, console: Console) -> list[Sample]:
    sessions = [Session.begin(number, plan.rules) for number in range(plan.sessions)]
    with progress_bar(console) as progress:
        task = progress.add_task(router, total=plan.sessions * plan.turns)

        async def whole() -> list[Sample]:
            await warm_up(stack, _WARM_UP_REQUESTS)
            return await play(stack, sessions, plan.turns, plan.clients, plan.seed, lambda: progress.advance(task))

        return asyncio.run(whole())


def _overhead(stack: Stack) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.prefix.overhead"]
    done = subprocess.run(command, env=stack.environment, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise BenchmarkFailed(f"no overhead measured: {done.stderr[-500:]}")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured
