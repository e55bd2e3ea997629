"""One run: start the provider and the peers, measure, end everything that was started."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rich.console import Console

from benchmarks.command import progress_bar
from benchmarks.gateway.litellm_proxy import start_litellm
from benchmarks.gateway.load import load_generator
from benchmarks.gateway.measure import Bench, Cell
from benchmarks.gateway.mlflow_gateway import start_mlflow
from benchmarks.gateway.processes import niceness
from benchmarks.gateway.report import Report
from benchmarks.gateway.summary import BASELINE, summarize
from benchmarks.gateway.targets import CHAT, Target, wait_for_answer
from benchmarks.machine import LITELLM_PACKAGES, machine, peer_versions
from benchmarks.servers import fallen_named, supervised, wait_for
from deployments.processes import Supervisor


class Peer(StrEnum):
    """Whom Sextant is measured beside."""

    LITELLM = "litellm"
    LITELLM_FEATURES = "litellm-features"
    MLFLOW = "mlflow"
    MLFLOW_FEATURES = "mlflow-features"


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    peers: frozenset[Peer]
    peer_environment: Path
    sextant: Target | None
    provider_port: int
    cells: Sequence[Cell]
    rounds: int
    measure_s: float
    note: str


def run(plan: Plan, console: Console) -> Report:
    """Measure. Raises BenchmarkFailed: a run in which any request failed has no result."""
    facts = machine("gateway", peer_versions(plan.peer_environment, LITELLM_PACKAGES))
    with supervised() as supervisor, fallen_named(supervisor):
        with console.status("Starting the provider and the peers"):
            targets = _start(plan, supervisor)
        with load_generator() as load, progress_bar(console) as progress:
            bench = Bench(targets, f"http://127.0.0.1:{plan.provider_port}", load, plan.measure_s)
            task = progress.add_task("warm-up", total=len(targets) * (1 + len(plan.cells) * plan.rounds))
            for target in targets:
                bench.warm_up(target)
                progress.advance(task)
            samples = bench.measure(
                plan.cells, plan.rounds, lambda what: progress.update(task, advance=1, description=what)
            )
            priorities = {target.name: niceness(target.processes) for target in targets}
    return Report(facts, targets, priorities, plan.rounds, plan.measure_s, plan.note, summarize(samples), samples)


def _start(plan: Plan, supervisor: Supervisor) -> list[Target]:
    home, url = supervisor.logs, f"http://127.0.0.1:{plan.provider_port}"
    targets = [_start_provider(supervisor, plan.provider_port, url)]
    for peer in (Peer.LITELLM, Peer.LITELLM_FEATURES):
        if peer in plan.peers:
            features = peer is Peer.LITELLM_FEATURES
            targets.append(start_litellm(supervisor, plan.peer_environment, url, home, features=features))
    for peer in (Peer.MLFLOW, Peer.MLFLOW_FEATURES):
        if peer in plan.peers:
            targets.append(start_mlflow(supervisor, url, home, features=peer is Peer.MLFLOW_FEATURES))
    if plan.sextant is not None:
        targets.append(plan.sextant)
    for target in targets:
        wait_for_answer(target)
    return targets


def _start_provider(supervisor: Supervisor, port: int, url: str) -> Target:
    command = [sys.executable, "-m", "benchmarks.gateway.provider", str(port)]
    child = supervisor.start("provider", command, os.environ, essential=True)
    wait_for(f"{url}/count", child)
    features = "asked directly: a fixed answer without delay"
    return Target(BASELINE, url + CHAT, "bench", {}, (child.process.pid,), features)
