"""A task, and running it: every sample is solved and graded, a bounded number at a time."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from app.evals.answer import Answer
from app.evals.dataset import Dataset, Sample
from app.evals.scorers import Scorer, grade


class Solver(Protocol):
    """Answers one sample. A failure is an `Answer` with an `error`; it does not raise."""

    async def solve(self, sample: Sample) -> Answer:
        """Ask, and wait for the whole answer."""
        ...


@dataclass(frozen=True)
class Task:
    """What is asked, who answers, and how the answers are graded (metric name -> scorer)."""

    dataset: Dataset
    solver: Solver
    scorers: Mapping[str, Scorer]


@dataclass(frozen=True, slots=True)
class Graded:
    """One sample with its answer and verdicts (metric name -> share, or None for unscored)."""

    sample: Sample
    answer: Answer
    scores: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A finished task. `results` are in the dataset's order; `wall_s` is the time of the whole run."""

    dataset: Dataset
    results: tuple[Graded, ...]
    wall_s: float


async def run_task(task: Task, *, concurrency: int, on_result: Callable[[Graded], None] = lambda _: None) -> Evaluation:
    """Solve and grade every sample. `on_result` hears of each as it finishes, in any order."""
    slots = asyncio.Semaphore(concurrency)

    async def solve(sample: Sample) -> Graded:
        async with slots:
            answer = await task.solver.solve(sample)
        graded = Graded(sample, answer, grade(task.scorers, sample, answer))
        on_result(graded)
        return graded

    started = time.perf_counter()
    results = await asyncio.gather(*(solve(sample) for sample in task.dataset.samples))
    return Evaluation(task.dataset, tuple(results), time.perf_counter() - started)
