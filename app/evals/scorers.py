"""Scorers: a function of a sample and its answer that gives a share from 0 to 1.

None means unscored: this sample cannot be graded that way. It stays out of the mean, and is never
a zero. The measures of ranking are those of Manning, Raghavan and Schütze, "Introduction to
Information Retrieval", chapter 8, over documents: passages of one document count once, at the best
of their ranks.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Protocol

from app.evals.answer import Answer
from app.evals.dataset import Sample

# [1], and [1, 3] as some models write it.
MARK = re.compile(r"\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")


class Scorer(Protocol):
    """Grades one answer."""

    def __call__(self, sample: Sample, answer: Answer) -> float | None:
        """A share from 0 to 1, or None when the sample cannot be graded."""
        ...


def standard_scorers(k: int) -> dict[str, Scorer]:
    """The scorers of the documents eval, by the name their metric gets."""
    return {
        f"recall_at_{k}": recall_at_k(k),
        "mrr": mrr,
        "answer_contains": answer_contains,
        "cited": cited,
    }


def grade(scorers: Mapping[str, Scorer], sample: Sample, answer: Answer) -> dict[str, float | None]:
    """Every scorer's verdict. A failed answer is unscored throughout; it counts as an error instead."""
    if answer.error is not None:
        return dict.fromkeys(scorers)
    return {name: scorer(sample, answer) for name, scorer in scorers.items()}


def recall_at_k(k: int) -> Scorer:
    """Share of the gold documents among the first k distinct documents. Needs k of at least 1.

    The stack cites the passages that the model was given, so a gold document that was found but
    did not fit `retrieval.max_context_tokens`, or fell below `retrieval.min_score`, is a miss.
    """
    if k < 1:
        raise ValueError(f"k is {k}; it must be at least 1")

    def score(sample: Sample, answer: Answer) -> float | None:
        gold = set(sample.documents)
        if not gold or answer.citations is None:
            return None
        return len(gold & set(_ranking(answer)[:k])) / len(gold)

    return score


def mrr(sample: Sample, answer: Answer) -> float | None:
    """1 / rank of the first gold document among the distinct documents; 0 when none is there."""
    gold = set(sample.documents)
    if not gold or answer.citations is None:
        return None
    ranks = (rank for rank, document in enumerate(_ranking(answer), start=1) if document in gold)
    return 1 / next(ranks, float("inf"))


def answer_contains(sample: Sample, answer: Answer) -> float | None:
    """1 when a key phrase is in the text, whatever its case and white space."""
    if not sample.answers:
        return None
    text = _normalise(answer.text)
    return float(any(_phrase(phrase).search(text) for phrase in sample.answers))


def cited(sample: Sample, answer: Answer) -> float | None:
    """1 when a mark [n] in the text stands for a passage of a gold document."""
    if not sample.documents or answer.citations is None:
        return None
    marked = {int(n) for mark in MARK.findall(answer.text) for n in mark.split(",")}
    return float(any(c.index in marked and c.document in sample.documents for c in answer.citations))


def _ranking(answer: Answer) -> list[str]:
    """The distinct documents, best first."""
    return list(dict.fromkeys(citation.document for citation in answer.citations or ()))


def _normalise(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _phrase(phrase: str) -> re.Pattern[str]:
    """A pattern that finds the phrase, but not the number 30 within 300 or 1.30."""
    text = _normalise(phrase)
    before = r"(?<!\d)(?<!\d[.,])" if text[0].isdigit() else ""
    after = r"(?![.,]?\d)" if text[-1].isdigit() else ""
    return re.compile(before + re.escape(text) + after)
