"""Asking systems the questions."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from app.evals.retrieval.abstention import best_threshold
from app.evals.retrieval.metrics import ranks
from app.evals.retrieval.outcomes import Measured, Outcome
from app.evals.retrieval.questions import Located
from app.evals.retrieval.systems import System
from app.retrieval.types import Vector


async def measure(
    system: System,
    questions: Sequence[Located],
    vectors: Sequence[Vector],
    advance: Callable[[], object] = lambda: None,
) -> Measured:
    """One after the other, so that the times are those of one request alone. `advance` is called after each."""
    outcomes: list[Outcome] = []
    for located, vector in zip(questions, vectors, strict=True):
        began = time.perf_counter()
        ranking = await system.ask(located.question.query, vector)
        seconds = time.perf_counter() - began
        found = ranks(ranking.hits, located.places)
        outcomes.append(Outcome(located.question, found, ranking.confidence, ranking.relevant, seconds))
        advance()
    return Measured(system.name, tuple(outcomes))


def decide(measured: Measured, training: Measured) -> Measured:
    """With the threshold that is best on the training half, where the system decides nothing itself."""
    if all(outcome.relevant is not None for outcome in measured.outcomes):
        return measured
    outcomes = training.outcomes
    threshold = best_threshold(
        [outcome.confidence for outcome in outcomes], [outcome.question.is_answerable for outcome in outcomes]
    )
    return replace(measured, threshold=threshold)
