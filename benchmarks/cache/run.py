"""One run: start everybody, stream the labelled questions, measure, end everything that was started."""

import json
import os
import random
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from app.evals.errors import DatasetError
from app.retrieval.embedder import Embedder
from benchmarks.cache.load import load_generator
from benchmarks.cache.measure import WARM_UP, Bench, Sample
from benchmarks.cache.peers import MODEL, Home, start_gptcache, start_litellm, start_litellm_stores
from benchmarks.cache.quality import Quality, assess, run_stream
from benchmarks.cache.questions import Group, answer_to, apart, read_groups, stream, variants
from benchmarks.cache.report import Report
from benchmarks.cache.rows import OVER, Peer, build_ways
from benchmarks.cache.stack import Stack, start_stack
from benchmarks.cache.summary import summarize
from benchmarks.command import progress_bar
from benchmarks.errors import BenchmarkFailed
from benchmarks.machine import LITELLM_PACKAGES, Machine, machine, peer_versions
from benchmarks.servers import fallen_named, free_port, supervised, wait_for
from deployments.processes import Supervisor

_KEPT_GROUPS = 150  # whose questions the timed rows ask: LiteLLM's local cache holds 200 entries
_SEED = 4
_MEMORY = Path("/dev/shm")  # noqa: S108 (a directory of its own is made in it)
_GPTCACHE_PACKAGES = ("gptcache", "faiss-cpu", "onnxruntime", "sqlalchemy")


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
    streamed_groups: int  # of the test half
    note: str


def run(plan: Plan, console: Console) -> Report:
    """Measure. Raises BenchmarkFailed: a run in which any request failed has no result."""
    facts = _facts(plan.peer_environment)
    try:
        tested, kept = read_groups(plan.pairs)
    except DatasetError as error:
        raise BenchmarkFailed(str(error)) from error
    choice = random.Random(_SEED)  # noqa: S311 (a choice, no secret)
    tested = choice.sample(tested, min(plan.streamed_groups, len(tested)))
    kept = apart(choice.sample(kept, len(kept)), Embedder(plan.models / MODEL))
    asked, unasked = kept[:_KEPT_GROUPS], kept[_KEPT_GROUPS:]
    unasked = unasked[: _unasked_groups(plan, unasked)] if plan.has_sextant else []
    in_memory = _MEMORY if _MEMORY.is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="sextant-bench-", dir=in_memory) as memory,
        supervised() as supervisor,
        ExitStack() as cleanup,
        fallen_named(supervisor),
    ):
        with console.status("Starting the provider, the stack and the peers"):
            provider_url = _start_provider(supervisor, [*tested, *asked, *unasked])
            home = Home(supervisor, plan.peer_environment, Path(memory), plan.models, provider_url)
            stack = None
            if plan.has_sextant:
                stack = start_stack(supervisor, supervisor.logs / "s", plan.models, provider_url)
                cleanup.callback(stack.stop)
            peers = _start_peers(home) if plan.has_peers else []
        quality = _stream(tested, provider_url, peers, stack, console)
        timed = [peer for peer in peers if peer.is_timed]
        for peer in peers:
            if not peer.is_timed:
                supervisor.named(peer.target.name).process.terminate()
        samples = _measure(plan, asked, unasked, provider_url, timed, stack, console)
    targets = [peer.target for peer in peers]
    if stack:
        targets = [stack.noop(), stack.shown(), *targets]
    many = max(plan.requests)
    rows = summarize(samples, OVER, many)
    return Report(facts, targets, plan.rounds, many, len(tested), plan.note, rows, samples, quality)


def _start_provider(supervisor: Supervisor, groups: Sequence[Group]) -> str:
    answers, port = supervisor.logs / "answers.json", free_port()
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


def _unasked_groups(plan: Plan, groups: Sequence[Group]) -> int:
    """So many that there is a paraphrase for each request of one client, and those that warm up."""
    needed = plan.rounds * (plan.requests[1] + WARM_UP)
    for count, group in enumerate(groups, 1):
        needed -= len(group.paraphrases)
        if needed <= 0:
            return count
    raise BenchmarkFailed("too few labelled groups for so many requests and rounds")


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
    with progress_bar(console) as progress:
        task = progress.add_task("questions", total=len(everybody))
        for peer in everybody:
            progress.update(task, description=f"questions: {peer.target.name}")
            outcomes = run_stream(peer.target, peer.tier_header, provider_url, asks)
            found.append(assess(peer.target.name, outcomes))
            progress.advance(task)
    return found


def _measure(
    plan: Plan,
    groups: Sequence[Group],
    unasked: Sequence[Group],
    provider_url: str,
    peers: Sequence[Peer],
    stack: Stack | None,
    console: Console,
) -> list[Sample]:
    sextant, noop = (stack.target("speed"), stack.noop()) if stack else (None, None)
    ways = build_ways(groups, unasked, provider_url, peers, sextant, noop)
    with load_generator() as load, progress_bar(console) as progress:
        task = progress.add_task("rounds", total=len(ways) * len(plan.requests) * plan.rounds)
        bench = Bench(ways, load)
        bench.look_at_idle()
        return bench.measure(
            plan.requests, plan.rounds, lambda what: progress.update(task, advance=1, description=what)
        )


def _facts(environment: Path) -> Machine:
    # Asked for apart: the packages of one peer are known where those of the other are missing.
    return machine(
        "cache", peer_versions(environment, LITELLM_PACKAGES) | peer_versions(environment, _GPTCACHE_PACKAGES)
    )
