"""One run: start everybody, stream the labelled questions, measure, end everything that was started."""

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.cache.load import LoadGenerator
from benchmarks.cache.measure import Bench, Sample
from benchmarks.cache.peers import Home, start_gptcache, start_litellm, start_litellm_stores
from benchmarks.cache.quality import Quality, assess, run_stream
from benchmarks.cache.questions import Group, answer_to, read_groups, stream, variants
from benchmarks.cache.report import Report
from benchmarks.cache.rows import OVER, Peer, build_ways
from benchmarks.cache.stack import Stack, start_stack
from benchmarks.cache.summary import summarize
from benchmarks.gateway.machine import Machine, machine
from benchmarks.gateway.targets import BenchmarkFailed, free_port, wait_for
from deployments.processes import Supervisor, adopt_orphans

_SEED = 4
_MEMORY = Path("/dev/shm")  # noqa: S108 (a directory of its own is made in it)
_PEER_PACKAGES = ("gptcache", "faiss-cpu", "onnxruntime", "sqlalchemy")


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    has_sextant: bool
    has_peers: bool
    peer_environment: Path
    models: Path
    pairs: Path  # directory of the labelled groups
    rounds: int
    requests: dict[int, int]  # of each row in a round, by number of clients
    streamed_groups: int | None  # of the test half; None: all
    note: str


def run(plan: Plan, console: Console) -> Report:
    """Measure. Raises BenchmarkFailed: a run in which any request failed has no result."""
    facts = _facts(plan.peer_environment)
    tested, kept = read_groups(plan.pairs)
    if plan.streamed_groups is not None:
        tested = random.Random(_SEED).sample(tested, min(plan.streamed_groups, len(tested)))  # noqa: S311 (a choice)
    adopt_orphans()
    with ExitStack() as cleanup:
        directory = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="sextant-bench-"))
        in_memory = _MEMORY if _MEMORY.is_dir() else None
        memory = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="sextant-bench-", dir=in_memory))
        supervisor = Supervisor(Path(directory))
        cleanup.callback(supervisor.stop_all)
        try:
            with console.status("Starting the provider, the stack and the peers"):
                provider_url = _start_provider(supervisor, Path(directory), [*tested, *kept])
                home = Home(supervisor, plan.peer_environment, Path(directory), Path(memory), plan.models, provider_url)
                stack = None
                if plan.has_sextant:
                    stack = start_stack(supervisor, Path(directory) / "s", plan.models, provider_url)
                    cleanup.callback(stack.stop)
                peers = _start_peers(home) if plan.has_peers else []
            quality = _stream(tested, provider_url, peers, stack, console)
            timed = [peer for peer in peers if peer.is_timed]
            for peer in peers:
                if not peer.is_timed:
                    supervisor.named(peer.target.name).process.terminate()
            samples = _measure(plan, kept, provider_url, timed, stack, console)
        except BenchmarkFailed as error:
            if fallen := supervisor.fallen():
                raise BenchmarkFailed(f"{error}\n{fallen.name} {fallen.last_words()}") from error
            raise
    targets = [peer.target for peer in peers]
    if stack:
        targets = [stack.noop(), stack.shown(), *targets]
    many = max(plan.requests)
    rows = summarize(samples, OVER, many)
    return Report(facts, targets, plan.rounds, many, len(tested), plan.note, rows, samples, quality)


def _start_provider(supervisor: Supervisor, directory: Path, groups: Sequence[Group]) -> str:
    answers, port = directory / "answers.json", free_port()
    known = {ask.text: answer_to(ask.intent) for group in groups for ask in group.all}
    # A cache that checks its hits asks anew: a framed question must get the answer of the plain one, or good hits are
    # judged wrong.
    for group in groups:
        for ask in group.repeats:
            known |= dict.fromkeys(variants([ask.text], _SEED), answer_to(ask.intent))
    answers.write_text(json.dumps(known))
    command = [sys.executable, "-m", "benchmarks.cache.provider", str(port), str(answers)]
    url = f"http://127.0.0.1:{port}"
    wait_for(f"{url}/count", supervisor.start("provider", command, os.environ, essential=True))
    return url


def _start_peers(home: Home) -> list[Peer]:
    """Each as it comes (GPTCache's threshold is its default, LiteLLM's its documentation's), and each stricter."""
    stores_url = start_litellm_stores(home)
    return [
        Peer(start_litellm(home, "litellm", None, None), "x-litellm-cache-key", is_semantic=False),
        Peer(start_litellm(home, "litellm-0.80", stores_url, 0.8), "x-litellm-cache-key", is_semantic=True),
        Peer(
            start_litellm(home, "litellm-0.90", stores_url, 0.9),
            "x-litellm-cache-key",
            is_semantic=True,
            is_timed=False,
        ),
        Peer(start_gptcache(home, "gptcache", None), "x-cache", is_semantic=False),
        Peer(start_gptcache(home, "gptcache-0.80", 0.8), "x-cache", is_semantic=True),
        Peer(start_gptcache(home, "gptcache-0.80-tuned", 0.8, is_tuned=True), "x-cache", is_semantic=True),
        Peer(start_gptcache(home, "gptcache-0.95", 0.95), "x-cache", is_semantic=True, is_timed=False),
    ]


def _stream(
    groups: Sequence[Group], provider_url: str, peers: Sequence[Peer], stack: Stack | None, console: Console
) -> list[Quality]:
    asks, found = stream(groups, _SEED), []
    everybody = [Peer(stack.target("quality"), "x-sextant-cache", is_semantic=True)] if stack else []
    everybody += peers
    with _progress(console) as progress:
        task = progress.add_task("questions", total=len(everybody))
        for peer in everybody:
            progress.update(task, description=f"questions: {peer.target.name}")
            outcomes = run_stream(peer.target, peer.tier_header, provider_url, asks)
            found.append(assess(peer.target.name, outcomes))
            progress.advance(task)
    return found


def _measure(
    plan: Plan, groups: Sequence[Group], provider_url: str, peers: Sequence[Peer], stack: Stack | None, console: Console
) -> list[Sample]:
    sextant, noop = (stack.target("speed"), stack.noop()) if stack else (None, None)
    ways = build_ways(groups, provider_url, peers, sextant, noop)
    with LoadGenerator() as load, _progress(console) as progress:
        task = progress.add_task("rounds", total=len(ways) * len(plan.requests) * plan.rounds)
        bench = Bench(ways, load)
        bench.look_at_idle()
        return bench.measure(
            plan.requests, plan.rounds, lambda what: progress.update(task, advance=1, description=what)
        )


def _facts(peer_environment: Path) -> Machine:
    facts = machine(peer_environment)
    code = "import importlib.metadata as m, sys; print(*(m.version(name) for name in sys.argv[1:]))"
    python = peer_environment / "bin" / "python"
    versions = dict(facts.versions)
    if python.exists():
        found = subprocess.run([str(python), "-c", code, *_PEER_PACKAGES], capture_output=True, text=True, check=False)
        names = (f"peers/{name}" for name in _PEER_PACKAGES)
        versions |= dict(zip(names, found.stdout.split(), strict=False))
    command = ("python", "-m", "benchmarks.cache", *facts.command[3:])
    return replace(facts, command=command, versions=versions)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)
