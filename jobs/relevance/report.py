"""How a fit does on questions that it has not seen."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from app.evals.retrieval.abstention import Abstention, judge_abstention
from app.evals.retrieval.metrics import ndcg, ranks, recall, reciprocal_rank
from jobs.relevance.table import Asked

Floats = NDArray[np.float64]


def ordering(asked: Sequence[Asked], scores: Sequence[Floats]) -> dict[str, float]:
    """Means over the answerable searches of the kind that ships; `scores` order each one's candidates."""
    found = []
    for each, values in zip(asked, scores, strict=True):
        if each.is_usual and each.is_answerable:
            best = np.argsort(-values, kind="stable")[:10]
            places = ranks([each.hits[index] for index in best], each.question.places)
            found.append((recall(places, 1), recall(places, 5), ndcg(places), reciprocal_rank(places)))
    means = np.mean(found, axis=0)
    return dict(zip(("recall_at_1", "recall_at_5", "ndcg_at_10", "mrr"), map(float, means), strict=True))


def abstention(asked: Sequence[Asked], best: Sequence[float], threshold: float, *, with_withheld: bool) -> Abstention:
    """At a threshold; `best` is each search's greatest probability."""
    chosen = [
        (value, each.is_answerable)
        for each, value in zip(asked, best, strict=True)
        if each.is_usual and (with_withheld or not each.withheld)
    ]
    return judge_abstention(
        [value for value, _ in chosen], [has for _, has in chosen], [value < threshold for value, _ in chosen]
    )


AS_GOOD = 0.02  # of an F1 score: within its interval on some hundred questions


def balanced_threshold(asked: Sequence[Asked], best: Sequence[float]) -> float:
    """The lowest at which the mean of both F1 scores, of abstaining and of answering, is as good as the best.

    Who asks what the documents tell is worse off with "they say nothing" than who asks what they do not tell is with
    passages. Counted are all searches of the kind that ships, those without their answers too, so that both sorts are
    about as many.
    """
    chosen = [(value, each.is_answerable) for each, value in zip(asked, best, strict=True) if each.is_usual]
    values, has = np.array([value for value, _ in chosen]), np.array([is_there for _, is_there in chosen])
    limits = np.linspace(0.02, 0.9, 177)

    def f1(said: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
        return 2 * float((said & true).sum()) / max(1.0, float(said.sum() + true.sum()))

    scored = np.array([(f1(values < limit, ~has) + f1(values >= limit, has)) / 2 for limit in limits])
    return float(limits[np.argmax(scored >= scored.max() - AS_GOOD)])


def table(rows: dict[str, dict[str, float]]) -> Table:
    """A line for each order."""
    shown = Table(box=None, header_style="bold", pad_edge=False)
    names = list(next(iter(rows.values())))
    for name in ("order", *names):
        shown.add_column(name, justify="left" if name == "order" else "right")
    for name, row in rows.items():
        shown.add_row(name, *(f"{row[each]:.4f}" for each in names))
    return shown
