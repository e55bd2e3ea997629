"""What was measured, as tables for the terminal and as numbers for MLflow."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from rich.table import Table

from app.evals.retrieval.bootstrap import Difference, paired_difference
from app.evals.retrieval.metrics import CUTS
from app.evals.retrieval.outcomes import SCORES, Measured
from app.evals.retrieval.questions import KINDS, WITHOUT_ANSWER, Gold, Question
from app.evals.statistics import percentile

COMPARED = ("recall_at_1", "recall_at_5", "ndcg_at_10")
BY_KIND = "recall_at_5"
_ODD = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """All systems on the same questions; the last one is the one that is compared with the others.

    `missing`: gold passages that are not in the corpus of this environment, whose questions are left out.
    """

    title: str
    systems: Sequence[Measured]
    missing: Sequence[tuple[Question, Gold]] = ()
    facts: Mapping[str, object] = field(default_factory=dict)  # counts of the corpus, for the parameters

    @property
    def subject(self) -> Measured:
        """The system that is compared with the others: the shipped search where it is there."""
        return next((each for each in self.systems if each.name == "search"), self.systems[-1])

    def tables(self) -> list[Table]:
        """Ranking, abstention, differences, kinds."""
        return [self._ranking(), self._abstention(), self._differences(), self._kinds()]

    def differences(self) -> dict[tuple[str, str], Difference]:
        """The subject less another system, by score and the other's name."""
        subject = self.subject
        return {
            (score, other.name): paired_difference(subject.scores(score), other.scores(score))
            for other in self.systems
            if other is not subject and subject.answerable
            for score in COMPARED
        }

    def metrics(self) -> dict[str, float]:
        """Flat, by the names that MLflow shows; what has no value is left out."""
        flat: dict[str, float] = {}
        for system in self.systems:
            name = _key(system.name)
            flat |= {f"{name}.{score}": system.mean(score) for score in SCORES}
            abstention = system.abstention()
            for measure in ("precision", "recall", "f1", "auc"):
                flat[f"{name}.abstention_{measure}"] = float(getattr(abstention, measure))
            for kind in WITHOUT_ANSWER:
                flat[f"{name}.abstention_recall.{kind}"] = system.abstention(kind).recall
                flat[f"{name}.abstention_auc.{kind}"] = system.abstention(kind).auc
            flat |= {f"{name}.{BY_KIND}.{kind}": system.mean(BY_KIND, kind) for kind in KINDS}
            flat[f"{name}.p50_ms"] = _milliseconds(system, 50)
        for (score, other), difference in self.differences().items():
            prefix = f"{_key(self.subject.name)}_less_{_key(other)}.{score}"
            flat |= {
                prefix: difference.mean,
                f"{prefix}.low": difference.low,
                f"{prefix}.high": difference.high,
            }
        return {name: value for name, value in flat.items() if not math.isnan(value)}

    @property
    def verdict(self) -> str:
        """One sentence, which does not flatter."""
        parts = []
        for (score, other), difference in self.differences().items():
            if score != BY_KIND:
                continue
            points = (
                f"{100 * difference.mean:+.1f} points ({100 * difference.low:+.1f} to {100 * difference.high:+.1f})"
            )
            parts.append(f"{points} over {other}" + ("" if difference.is_sure else ", which may be chance"))
        return f"{self.title}, {self.subject.name} at recall@5: " + ("; ".join(parts) or "nothing to compare") + "."

    def _ranking(self) -> Table:
        subject = self.subject
        table = _table(f"{self.title}: {len(subject.answerable)} questions with an answer")
        columns = ("system", *(f"recall@{k}" for k in CUTS), "nDCG@10", "MRR", "p50", "p95")
        for column in columns:
            table.add_column(column, justify="left" if column == "system" else "right")
        for system in self.systems:
            scores = [_share(system.mean(score)) for score in SCORES]
            times = [f"{_milliseconds(system, q):.1f} ms" for q in (50, 95)]
            table.add_row(system.name, *scores, *times, style="bold" if system is subject else None)
        return table

    def _abstention(self) -> Table:
        table = _table(f"Abstention: {self.subject.abstention().unanswerable} questions without an answer")
        columns = ["abstained", "precision", "recall", "F1", "AUC"]
        for kind in WITHOUT_ANSWER:
            columns += [f"{kind}\nrecall", "AUC"]
        table.add_column("system")
        table.add_column("decides")
        for column in columns:
            table.add_column(column, justify="right")
        for system in self.systems:
            found = system.abstention()
            how = "itself" if system.threshold is None else f"from {system.threshold:.3g} on"
            values = [found.precision, found.recall, found.f1, found.auc]
            for kind in WITHOUT_ANSWER:
                values += [system.abstention(kind).recall, system.abstention(kind).auc]
            table.add_row(system.name, how, str(found.abstained), *map(_share, values))
        return table

    def _differences(self) -> Table:
        table = _table(f"{self.subject.name} less the others, 95% intervals")
        table.add_column("other")
        for score in COMPARED:
            table.add_column(score, justify="right")
        differences = self.differences()
        for other in dict.fromkeys(name for _, name in differences):
            cells = []
            for score in COMPARED:
                found = differences[score, other]
                cells.append(f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f})")
            table.add_row(other, *cells)
        return table

    def _kinds(self) -> Table:
        table = _table(f"{BY_KIND} by kind of question")
        table.add_column("kind")
        table.add_column("questions", justify="right")
        for system in self.systems:
            table.add_column(system.name, justify="right")
        for kind in KINDS:
            count = len(self.subject.scores(BY_KIND, kind))
            if count:
                table.add_row(kind, str(count), *(_share(system.mean(BY_KIND, kind)) for system in self.systems))
        return table


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold")


def _milliseconds(system: Measured, q: float) -> float:
    return percentile([outcome.seconds * 1000 for outcome in system.outcomes], q)


def _share(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"


def _key(name: str) -> str:
    """As MLflow takes a metric's name: "search, dense" has a comma, a reranker's folder anything."""
    return _ODD.sub("_", name.replace(" + ", "_")).lower()


def errors(system: Measured) -> list[str]:
    """A line for each question whose gold is not among the first five, and for each wrong decision."""
    lines: list[str] = []
    for outcome in system.outcomes:
        question = outcome.question
        if any(rank is None or rank > 5 for rank in outcome.ranks):
            places = zip(question.gold, outcome.ranks, strict=True)
            where = ", ".join(f"{gold.document} at {rank or 'none'}" for gold, rank in places)
            lines.append(f"{question.kind}: {question.query} -> {where}")
        if outcome.relevant is not None and outcome.relevant != question.is_answerable:
            said = "withheld" if question.is_answerable else "answered"
            lines.append(f"{said} ({outcome.confidence:.2f}): {question.query}")
    return lines
