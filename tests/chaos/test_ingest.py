"""An ingest run that is killed, and one after a few files have changed: `make chaos`.

`SEXTANT_CHAOS_DOCUMENTS=5000 pytest -s tests/chaos/test_ingest.py` for as many real documents as the benchmark has.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.config.files import PROJECT
from benchmarks.ingest.corpus import build
from tests.e2e.conftest import Stack, start_stack, stop_stack

DOCUMENTS = int(os.environ.get("SEXTANT_CHAOS_DOCUMENTS", "200"))
CHANGED = 10
SEED = 7
RUN_S = 3600
_PROGRESS = re.compile(rb"^(\d+)/\d+ documents", re.MULTILINE)
_FACT = re.compile(r"(new|changed|unchanged|deleted|skipped|taken over from a run before|seconds|chunks)\W+([\d,.]+)")


@dataclass(frozen=True)
class Place:
    """A stack of its own, and real documents."""

    stack: Stack
    folder: Path

    def command(self, tenant: str) -> list[str]:
        return [sys.executable, "-m", "jobs.ingest", str(self.folder), "--tenant", tenant]

    def ingest(self, tenant: str) -> dict[str, float]:
        """A run to its end: what its table says."""
        done = self.run(self.command(tenant))
        facts = {name: float(value.replace(",", "")) for name, value in _FACT.findall(done)}
        print(f"{tenant}: {facts}")
        return facts

    def killed_in_the_middle(self, tenant: str) -> int:
        """A run that is killed with half of its documents done. Returns how many its log named."""
        log = self.stack.home / "killed.log"
        with log.open("wb") as sink:
            command = self.command(tenant)
            job = subprocess.Popen(command, env=self.stack.environment(), stdout=sink, stderr=sink, cwd=PROJECT)
        deadline = time.monotonic() + RUN_S
        while (reached := _reached(log)) < DOCUMENTS // 2:
            assert job.poll() is None, f"it ended too early:\n{log.read_text()}"
            assert time.monotonic() < deadline, "it never came to the middle"
            time.sleep(0.05)
        job.kill()  # SIGKILL: no handler runs
        job.wait()
        assert reached < DOCUMENTS
        return reached

    def held(self, tenant: str) -> dict[str, str]:
        """What readers find: each document's hash, of chunks and vectors."""
        command = [sys.executable, "-m", "tests.chaos.knowledge_digest", tenant]
        found: dict[str, str] = json.loads(self.run(command).splitlines()[-1])
        return found

    def run(self, command: list[str]) -> str:
        environment = self.stack.environment()
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=RUN_S, check=False, cwd=PROJECT
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _reached(log: Path) -> int:
    return max((int(number) for number in _PROGRESS.findall(log.read_bytes())), default=0)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("documents")
    build(folder, DOCUMENTS, SEED)
    stack = start_stack(tmp_path_factory.mktemp("stack"))
    yield Place(stack, folder)
    stop_stack(stack)


def test_a_killed_run_shows_nothing_and_the_next_one_ends_as_if_it_had_never_been(place: Place) -> None:
    whole = place.ingest("whole")
    assert whole["new"] == DOCUMENTS
    reached = place.killed_in_the_middle("killed")
    print(f"killed at {reached} of {DOCUMENTS} documents")
    assert place.held("killed") == {}
    again = place.ingest("killed")
    assert again["new"] == DOCUMENTS
    assert again["taken over from a run before"] >= DOCUMENTS * 0.2  # it does not begin anew
    assert place.held("killed") == place.held("whole")


def test_a_second_run_touches_only_what_has_changed(place: Place) -> None:
    before = place.held("whole")
    files = sorted(path for path in place.folder.iterdir() if path.suffix in (".txt", ".md", ".rst"))[:CHANGED]
    assert len(files) == CHANGED
    for file in files:
        file.write_text(f"{file.read_text(errors='replace')}\n\nA paragraph that {file.name} did not have before.\n")
    second = place.ingest("whole")
    assert (second["changed"], second["unchanged"]) == (CHANGED, DOCUMENTS - CHANGED)
    after = place.held("whole")
    assert after.keys() == before.keys()
    touched = {name for name, digest in after.items() if digest != before[name]}
    assert {Path(name).name for name in touched} == {file.name for file in files}
