"""What examining a text takes in a process, by its length: the rails together, each alone, and the peers."""

import itertools
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.errors import BenchmarkFailed
from benchmarks.guard import presidio, rails
from benchmarks.guard.rails import ALL, Job, Result
from benchmarks.guard.texts import Texts
from benchmarks.load_generator import LoadGenerator

LENGTHS = (150, 500, 1000, 2000, 4000, 8000)
PRESIDIO, LLM_GUARD = "Presidio", "LLM Guard, scanners without models"
MOST_RATIO = 1.3  # of the time for a character at the longest length over that at 1,000 characters
_WARM_UP = 3  # texts before each measurement
_FIRST_WARM_UP = 30
_LLM_GUARD_SCRIPT = Path(__file__).with_name("llm_guard_scanners.py")

Generator = LoadGenerator[Job, Result]


@dataclass(frozen=True)
class Subject:
    """Who examines texts, in a process that is asked by jobs."""

    name: str
    rail: str
    process: Generator


@dataclass(frozen=True)
class Cell:
    """One subject at one length, over all rounds. Milliseconds."""

    subject: str
    length: int
    texts: int
    p50_ms: float
    p95_ms: float
    refused: float  # share of the texts, all of which are benign


@dataclass(frozen=True)
class Line:
    """A straight line through a subject's medians, by least squares."""

    subject: str
    fixed_ms: float
    ms_per_1000: float  # characters
    r2: float
    ratio: float  # time for a character at the longest length, over that at 1,000 characters

    @property
    def is_linear(self) -> bool:
        return self.ratio <= MOST_RATIO


@contextmanager
def subjects(peer_environment: Path | None) -> Iterator[list[Subject]]:
    """The processes; those of the peers where their environment is given. Raises BenchmarkFailed."""
    with ExitStack() as stack:
        own = stack.enter_context(rails.load_generator())
        found = [Subject(name, name, own) for name in (ALL, *rails.rail_names())]
        if peer_environment is not None:
            found.append(Subject(PRESIDIO, "", stack.enter_context(presidio.load_generator())))
            if command := llm_guard_command(peer_environment):
                generator: Generator = LoadGenerator("", Result, lambda job, result: result.error or None, command)
                found.append(Subject(LLM_GUARD, "", stack.enter_context(generator)))
        yield found


def llm_guard_command(peer_environment: Path) -> list[str]:
    """How LLM Guard is started; nothing where it is not installed."""
    python = peer_environment / "llm-guard" / "bin" / "python"
    return [str(python), str(_LLM_GUARD_SCRIPT)] if python.exists() else []


def measure(found: Sequence[Subject], texts: Texts, rounds: int, count: int, done: Callable[[str], None]) -> list[Cell]:
    """A cell for each subject and length. In a round everybody gets texts of each length, directly one after the
    other, in another order each round."""
    results: dict[tuple[str, int], list[Result]] = {(s.name, n): [] for s, n in itertools.product(found, LENGTHS)}
    for subject in found:
        subject.process.run(Job(subject.rail, texts.take(300, _FIRST_WARM_UP), _FIRST_WARM_UP - 1))
    for number, length in itertools.product(range(rounds), LENGTHS):
        turn = number % len(found)
        for subject in (*found[turn:], *found[:turn]):
            job = Job(subject.rail, texts.take(length, _WARM_UP + count), _WARM_UP)
            results[subject.name, length].append(subject.process.run(job))
            done(f"round {number + 1}, {length:,} characters: {subject.name}")
    return [cell(name, length, each) for (name, length), each in results.items()]


def cell(name: str, length: int, results: Sequence[Result]) -> Cell:
    """One subject at one length, of all rounds."""
    times = [each for result in results for each in result.times_ms]
    refused = sum(sum(result.refused) for result in results)
    return Cell(
        name, length, len(times), statistics.median(times), float(np.percentile(times, 95)), refused / len(times)
    )


def line(subject: str, of: Sequence[Cell]) -> Line:
    """The line through a subject's medians. Raises BenchmarkFailed without a cell of 1,000 characters."""
    own = sorted((cell for cell in of if cell.subject == subject), key=lambda cell: cell.length)
    at = {cell.length: cell.p50_ms for cell in own}
    if 1000 not in at or len(at) < 3:
        raise BenchmarkFailed(f"{subject}: too few lengths for a line")
    lengths, medians = np.array([*at]), np.array([*at.values()])
    slope, fixed = np.polyfit(lengths, medians, 1)
    spread = float(((medians - medians.mean()) ** 2).sum())
    left = float(((medians - (slope * lengths + fixed)) ** 2).sum())
    longest = max(at)
    return Line(
        subject,
        float(fixed),
        float(slope) * 1000,
        1 - left / spread if spread else 1.0,
        (at[longest] / longest) / (at[1000] / 1000),
    )


__all__ = ["LENGTHS", "Cell", "Line", "Subject", "cell", "line", "measure", "subjects"]
