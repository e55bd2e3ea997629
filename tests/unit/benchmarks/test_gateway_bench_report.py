"""From a run to its report: what is measured, compared and published."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.errors import BenchmarkFailed
from benchmarks.gateway.load import load_generator
from benchmarks.gateway.measure import Bench, Cell, Sample
from benchmarks.gateway.processes import cpu_seconds, niceness, settle
from benchmarks.gateway.prompts import Size
from benchmarks.gateway.report import Report
from benchmarks.gateway.summary import Row, Spread, summarize
from benchmarks.gateway.targets import Target, wait_for_answer
from benchmarks.machine import LITELLM_PACKAGES, Machine, machine, peer_versions
from benchmarks.servers import free_port, wait_for
from deployments.processes import Child

WHOLE, STREAM = Cell(False, Size.SHORT, 1), Cell(True, Size.LONG, 16)
SAMPLE = Sample(0, "provider", WHOLE, 100, 1000.0, 1.0, 2.0, 3.0, 0.5, 0.9, 0.1, 0.2, {}, 0.3)
MACHINE = Machine(
    "2026-01-02T03:04:05+00:00", ("python",), "chip", 2, 24.0, "Linux", "3.11", {"ray": "1"}, "c0ffee", (0.5, 1, 1), 0
)


@contextmanager
def providers(count: int) -> Iterator[list[Target]]:
    """Providers, each in a process of its own."""
    targets, processes = [], []
    try:
        for index in range(count):
            port = free_port()
            process = subprocess.Popen([sys.executable, "-m", "benchmarks.gateway.provider", str(port)])
            processes.append(process)
            wait_for(f"http://127.0.0.1:{port}/count", Child("provider", process, Path(os.devnull), True))
            url = f"http://127.0.0.1:{port}/v1/chat/completions"
            targets.append(Target(f"target-{index}", url, "bench", {}, (process.pid,), ""))
        yield targets
    finally:
        for process in processes:
            process.kill()
            process.wait()


def address(target: Target) -> str:
    return target.url.removesuffix("/v1/chat/completions")


def test_targets_take_turns_in_every_cell_and_round() -> None:
    with providers(1) as (target,), load_generator() as load:
        targets = [target, replace(target, name="again")]
        done: list[str] = []
        bench = Bench(targets, address(target), load, 0.2)
        samples = bench.measure([WHOLE, STREAM], 2, done.append)
    order = [(s.round, s.cell, s.target) for s in samples]
    names = [["target-0", "again"], ["again", "target-0"]]
    assert order == [(number, cell, name) for number in (0, 1) for cell in (WHOLE, STREAM) for name in names[number]]
    assert len(done) == len(samples)
    for sample in samples:
        assert sample.requests >= 3 * sample.cell.clients
        assert 0 < sample.requests_per_s <= sample.requests / 0.2 + 1e-6
        assert 0 < sample.first_word_p50_ms <= sample.p50_ms <= sample.p90_ms <= sample.p99_ms
        assert sample.cpu_ms_per_request is not None
        assert 0 <= sample.cpu_ms_per_request < 50  # the kernel counts in ticks


def test_a_gateway_that_answers_by_itself_has_no_result() -> None:
    with providers(2) as (provider, other), load_generator() as load:
        bench = Bench([other], address(provider), load, 0.2)
        with pytest.raises(BenchmarkFailed, match="with 0 of the provider's answers"):
            bench.measure([WHOLE], 1, lambda _: None)
        # Where nobody else is in between every answer is the provider's: the load generator goes on.
        Bench([provider], address(provider), load, 0.2).measure([WHOLE], 1, lambda _: None)


def test_one_failed_request_leaves_no_result() -> None:
    with providers(1) as (target,), load_generator() as load:
        lost = replace(target, url=target.url.replace("/v1/", "/v2/"))
        with pytest.raises(BenchmarkFailed, match=r"failed 1 of 1 requests: .*404 not found"):
            Bench([lost], address(target), load, 0.2).measure([WHOLE], 1, lambda _: None)
        with pytest.raises(BenchmarkFailed, match="404"):
            wait_for_answer(lost)
        wait_for_answer(target)


def test_leaving_the_load_generator_ends_its_process() -> None:
    with load_generator() as load:
        pass
    with pytest.raises((BenchmarkFailed, ValueError, BrokenPipeError)), providers(1) as (target,):
        Bench([target], address(target), load, 0.2).warm_up(target)


BUSY = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"


def test_cpu_time_is_that_of_the_whole_tree_and_of_ended_children() -> None:
    code = (
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])\nprint('done', flush=True)\ninput()"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"done\n"
    assert 0.3 <= cpu_seconds((child.pid,)) < 3
    assert niceness((child.pid,)) == [os.nice(0)]
    child.communicate(b"\n")
    assert cpu_seconds((child.pid,)) == 0


def test_work_of_processes_outside_the_benchmark_is_seen() -> None:
    with providers(1) as (target,), load_generator() as load:
        bench = Bench([target], address(target), load, 1.0)
        # A child of init, as a stranger's process is.
        code = f"import os\nif os.fork() == 0:\n    os.setsid()\n    exec({BUSY.replace('0.3', '1.5')!r})"
        subprocess.run([sys.executable, "-c", code], check=True)
        (sample,) = bench.measure([WHOLE], 1, lambda _: None)
    assert sample.foreign_cpu_share > 0.1


def test_settling_waits_for_work_and_not_for_ever() -> None:
    with subprocess.Popen([sys.executable, "-c", BUSY]) as worker:
        settle((worker.pid,), 0.0, 60)
        assert worker.wait(5) == 0
    with subprocess.Popen([sys.executable, "-c", BUSY.replace("0.3", "60")]) as worker:
        begin = time.monotonic()
        settle((worker.pid,), 0.0, 0.6)
        assert time.monotonic() - begin < 5
        settle((worker.pid,), 1.0, 60)  # it is always as busy as this
        assert time.monotonic() - begin < 30
        worker.kill()


def sample(number: int, target: str, p50_ms: float, rate: float, cpu_ms: float | None = 1.0, **more: Any) -> Sample:
    fields: dict[str, Any] = {"p50_ms": p50_ms, "requests_per_s": rate, "cpu_ms_per_request": cpu_ms, **more}
    return replace(SAMPLE, round=number, target=target, **fields)


def rows_of(*samples: Sample) -> dict[str, Row]:
    return {row.target: row for row in summarize(samples)}


def test_ratios_are_taken_within_a_round_and_then_their_median() -> None:
    rows = rows_of(
        *(sample(n, "provider", p50, 9000) for n, p50 in enumerate((1.0, 2.0, 1.0))),
        *(sample(n, "litellm", p50, rate, 8.0) for n, (p50, rate) in enumerate(((11, 100), (22, 50), (11, 100)))),
        *(sample(n, "sextant", p50, rate, 2.0) for n, (p50, rate) in enumerate(((5, 300), (7, 200), (6, 250)))),
    )
    sextant = rows["sextant"]
    assert sextant.added_ms == Spread(5.0, 4.0, 5.0)
    assert sextant.added_ratio == Spread(0.4, 0.25, 0.5)
    assert sextant.rate_ratio == Spread(3.0, 2.5, 4.0)
    assert sextant.cpu_ratio == Spread(0.25, 0.25, 0.25)
    assert sextant.requests == 300
    assert rows["litellm"].added_ratio == Spread(1.0, 1.0, 1.0)
    assert rows["provider"].added_ms is rows["provider"].rate_ratio is rows["provider"].cpu_ratio is None


def test_what_a_stream_adds_is_counted_to_its_first_word() -> None:
    rows = rows_of(
        sample(0, "provider", 5, 100, cell=STREAM, first_word_p50_ms=1.0),
        sample(0, "sextant", 50, 10, cell=STREAM, first_word_p50_ms=4.0),
    )
    assert rows["sextant"].added_ms == Spread(3.0, 3.0, 3.0)


def test_what_is_not_known_is_not_made_up() -> None:
    rows = rows_of(
        sample(0, "provider", 5, 100), sample(0, "litellm", 4.9, 100), sample(0, "sextant", 6, 100, cpu_ms=None)
    )
    assert rows["sextant"].added_ratio is None  # the peer added nothing that can be told from noise
    assert rows["sextant"].cpu_ms_per_request is rows["sextant"].cpu_ratio is None
    assert rows_of(sample(0, "sextant", 6, 100))["sextant"].rate_ratio is None  # no peer in the run


def test_report_holds_the_facts_and_every_row_and_no_key(tmp_path: Path) -> None:
    target = Target("provider", "http://host", "bench", {"authorization": "Bearer sk-secret"}, (1,), "does nothing")
    samples = [SAMPLE, sample(0, "sextant", 4, 500), replace(SAMPLE, cell=STREAM)]
    report = Report(MACHINE, [target], {"provider": [0, 15]}, 1, 3.0, "a remark", summarize(samples), samples)
    stem = report.save(tmp_path)
    assert stem.name == "gateway-2026-01-02-0304"
    markdown, data = stem.with_suffix(".md").read_text(), stem.with_suffix(".json").read_text()
    assert "sk-secret" not in markdown + data
    for words in (
        "2 cores (chip)",
        "took 0.30 (0.30 to 0.30) of a core",
        "a remark",
        "does nothing (niceness 0, 15)",
        "## Whole, short prompts, 1 client\n",
    ):
        assert words in markdown
    assert "| sextant | 500 | 4.00 | 2.00 | 3.00 | 0.50 | 3.00 | 1.00 |" in markdown
    assert markdown.count("| provider |") == 2
    loaded = json.loads(data)
    assert [row["target"] for row in loaded["rows"]] == ["provider", "sextant", "provider"]
    assert loaded["machine"]["commit"] == "c0ffee"
    assert len(loaded["samples"]) == 3


def test_command_line_is_published_without_key_and_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--sextant-key", "sk-a", "--sextant-key=sk-b", "--results", "/home/me", "--rounds", "5"]
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    shown = machine("gateway", peer_versions(Path("no such environment"), LITELLM_PACKAGES)).command
    assert shown[3:] == ("--sextant-key", "...", "...", "--results", "...", "--rounds", "5")


def test_a_server_that_ends_instead_of_answering_is_told_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-c", "raise SystemExit('port in use')"], stderr=output)
    with pytest.raises(BenchmarkFailed, match=r"(?s)server ended by itself.*port in use"):
        wait_for(f"http://127.0.0.1:{free_port()}/count", Child("server", process, log, True))
