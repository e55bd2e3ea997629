"""What systems made of the questions, and the scores of each question."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.evals.retrieval.abstention import Abstention, judge_abstention
from app.evals.retrieval.metrics import CUTS, ndcg, recall, reciprocal_rank
from app.evals.retrieval.questions import Question

Score = Callable[[Sequence[int | None]], float]


def _recall_at(k: int) -> Score:
    return lambda found: recall(found, k)


SCORES: Mapping[str, Score] = {
    **{f"recall_at_{k}": _recall_at(k) for k in CUTS},
    "ndcg_at_10": ndcg,
    "mrr": reciprocal_rank,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question, asked of one system."""

    question: Question
    ranks: tuple[int | None, ...]  # of each gold passage
    confidence: float  # that the answer is in the documents; of no scale that systems share
    relevant: bool | None  # the system's own decision; None: it makes none
    seconds: float


@dataclass(frozen=True, slots=True)
class Measured:
    """All outcomes of one system, in the order of the questions.

    `threshold`: for a system without a decision of its own, the confidence at which it says that the answer is there;
    chosen on the training half.
    """

    name: str
    outcomes: tuple[Outcome, ...]
    threshold: float | None = None

    @property
    def answerable(self) -> list[Outcome]:
        """Rankings are scored on these alone."""
        return [outcome for outcome in self.outcomes if outcome.question.is_answerable]

    def scores(self, name: str, kind: str | None = None) -> list[float]:
        """One value a question that the corpus answers, of one kind or of all."""
        score = SCORES[name]
        return [score(each.ranks) for each in self.answerable if kind in (None, each.question.kind)]

    def mean(self, name: str, kind: str | None = None) -> float:
        """NaN of nothing."""
        values = self.scores(name, kind)
        return float(np.mean(values)) if values else float("nan")

    def abstention(self, kind: str | None = None) -> Abstention:
        """How well it tells questions that the corpus does not answer: those of one kind, or all, among all that it
        answers."""
        counted = [each for each in self.outcomes if each.question.is_answerable or kind in (None, each.question.kind)]
        return judge_abstention(
            [outcome.confidence for outcome in counted],
            [outcome.question.is_answerable for outcome in counted],
            [self._abstains(outcome) for outcome in counted],
        )

    def _abstains(self, outcome: Outcome) -> bool:
        if outcome.relevant is not None:
            return not outcome.relevant
        return self.threshold is not None and outcome.confidence < self.threshold
