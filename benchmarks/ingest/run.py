"""One run: a folder of documents, and each contender over it in a process of its own, one after the other."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.command import ROOT, progress_bar
from benchmarks.errors import BenchmarkFailed
from benchmarks.ingest.corpus import Corpus, build
from benchmarks.ingest.own import Measured
from benchmarks.ingest.report import LANGCHAIN, LLAMA_INDEX, PIPELINE, RAW, Report, Sample
from benchmarks.machine import machine, peer_versions

PEERS = {LANGCHAIN: ("langchain-core", "langchain-text-splitters"), LLAMA_INDEX: ("llama-index-core",)}
_SHARED = ("fastembed", "onnxruntime", "tokenizers")


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    documents: int
    rounds: int
    seed: int
    peers: tuple[str, ...]
    peer_environment: Path
    model: Path
    note: str


def run(plan: Plan, console: Console) -> Report:
    """Measure. Raises BenchmarkFailed: a contender that fails, or leaves documents out, has no result."""
    if not (plan.model / "model.onnx").is_file():
        raise BenchmarkFailed(f"no embedding model in {plan.model}; fetch it with `make setup`")
    packages = [package for peer in plan.peers for package in PEERS[peer]]
    versions = peer_versions(plan.peer_environment, [*packages, *_SHARED]) if plan.peers else {}
    if plan.peers and not versions:
        raise BenchmarkFailed("the peers are not installed: pip install -r benchmarks/ingest/requirements.txt there")
    facts = machine("ingest", versions)
    with tempfile.TemporaryDirectory(prefix="sextant-bench-") as directory:
        folder = Path(directory) / "documents"
        folder.mkdir()
        console.print(f"Collecting {plan.documents:,} documents")
        corpus = build(folder, plan.documents, plan.seed)
        samples = _measure(plan, corpus, Path(directory), console)
    return Report(facts, plan.rounds, corpus.documents, corpus.characters, samples, plan.note)


def _measure(plan: Plan, corpus: Corpus, directory: Path, console: Console) -> list[Sample]:
    contenders = [PIPELINE, RAW, *plan.peers]
    samples: list[Sample] = []
    with progress_bar(console) as progress:
        task = progress.add_task("", total=plan.rounds * len(contenders))
        for number in range(plan.rounds):
            # Another order each round: who comes first meets a cooler machine.
            turn = number % len(contenders)
            for name in contenders[turn:] + contenders[:turn]:
                progress.update(task, description=name)
                measured = _one(name, plan, corpus.folder, directory / f"store-{number}")
                if measured.documents != corpus.documents:
                    raise BenchmarkFailed(f"{name} took {measured.documents} of {corpus.documents} documents")
                samples.append(Sample(name, number, measured))
                progress.advance(task)
    return samples


def _one(name: str, plan: Plan, folder: Path, store: Path) -> Measured:
    python = sys.executable
    if name in PEERS:
        python = str(plan.peer_environment.absolute() / "bin" / "python")
        command = [python, str(ROOT / "benchmarks" / "ingest" / "peers.py"), name, str(folder), str(plan.model)]
    else:
        what = "pipeline" if name == PIPELINE else "raw"
        command = [python, "-m", "benchmarks.ingest.own", what, str(folder), str(plan.model), str(store)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ})
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise BenchmarkFailed(f"{name} failed: {last}")
    return Measured(**json.loads(done.stdout.strip().rpartition("\n")[2]))
