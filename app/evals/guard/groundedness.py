"""Measuring how well unsupported sentences are found: precision and recall on the test half of a labelled set.

A line is {"passages": [...], "answer": "...", "sentences": 3, "unsupported": [1]}: how many sentences the answer has,
and which of them (from 0) no passage bears out. Rows with the same passages are of one half, by the passages' hash.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.config.files import PROJECT
from app.config.policy import GroundednessSettings
from app.evals.errors import DatasetError
from app.guard.output.groundedness import Embed, GroundednessRail, examine_claims
from app.guard.output.sentences import sentences
from app.guard.output.support import FEATURES
from app.guard.types import Context
from app.retrieval.marks import MIN_SUPPORT, content_words

SET = PROJECT / "evals" / "guard" / "groundedness.jsonl"


@dataclass(frozen=True, slots=True)
class Answered:
    """One row."""

    passages: tuple[str, ...]
    answer: str
    unsupported: frozenset[int]

    @property
    def is_for_training(self) -> bool:
        """About half of the passages."""
        return hashlib.blake2b("\n".join(self.passages).encode(), digest_size=4).digest()[-1] % 2 == 0


@dataclass(slots=True)
class Measured:
    """Counts of claims. `missed` and `wrong` are the sentences."""

    claims: int = 0
    unsupported: int = 0
    found: int = 0
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def precision(self) -> float:
        """Share of the sentences found that are unsupported."""
        found = self.found + len(self.wrong)
        return self.found / found if found else float("nan")

    @property
    def recall(self) -> float:
        """Share of the unsupported sentences that are found."""
        return self.found / self.unsupported if self.unsupported else float("nan")

    def add(self, sentence: str, is_unsupported: bool, is_found: bool) -> None:
        """Count one sentence."""
        self.claims += 1
        self.unsupported += is_unsupported
        self.found += is_unsupported and is_found
        if is_unsupported and not is_found:
            self.missed.append(sentence)
        if is_found and not is_unsupported:
            self.wrong.append(sentence)


def load_answered(path: Path = SET) -> list[Answered]:
    """The rows. Raises DatasetError, with the line."""
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            row = json.loads(line)
            answered = Answered(tuple(row["passages"]), row["answer"], frozenset(row["unsupported"]))
            wanted = row["sentences"]
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{path.name}, line {number}: {error}") from error
        if len(sentences(answered.answer)) != wanted or not answered.unsupported <= set(range(wanted)):
            raise DatasetError(f"{path.name}, line {number}: the answer does not have the sentences that it says")
        rows.append(answered)
    return rows


async def measure(rows: Sequence[Answered], embed: Embed, threshold: float = 0.5) -> Measured:
    """What the rail finds in the rows. Sentences that claim nothing are counted when they are marked."""
    measured = Measured()
    rail = GroundednessRail(GroundednessSettings(), embed)
    for row in rows:
        started = time.perf_counter()
        (hits,) = await rail.examine([row.answer], Context(passages=row.passages))
        measured.seconds += time.perf_counter() - started
        found = {hit.start for hit in hits if hit.score >= threshold}
        for index, sentence in enumerate(sentences(row.answer)):
            if sentence.claims or index in row.unsupported:
                measured.add(sentence.text, index in row.unsupported, sentence.start in found)
    return measured


def measure_by_marks(rows: Sequence[Answered]) -> Measured:
    """For comparison: a sentence is unsupported when no passage holds the share of its words that earns a mark."""
    measured = Measured()
    for row in rows:
        passages = [content_words(passage) for passage in row.passages]
        for index, sentence in enumerate(sentences(row.answer)):
            words = content_words(sentence.text)
            if sentence.claims or index in row.unsupported:
                share = max(len(words & passage) for passage in passages) / max(1, len(words))
                measured.add(sentence.text, index in row.unsupported, share < MIN_SUPPORT)
    return measured


async def fit(rows: Sequence[Answered], embed: Embed, penalty: float = 1.0) -> tuple[dict[str, float], float]:
    """Logistic weights for `support`, and the bias, from rows for training. `penalty`: L2, of standardised features."""
    features: list[list[float]] = []
    supported: list[float] = []
    for row in rows:
        index_at = {sentence.start: index for index, sentence in enumerate(sentences(row.answer))}
        for claim in await examine_claims([row.answer], Context(passages=row.passages), embed):
            found = {**claim.held.found, "meaning": claim.meaning}
            features.append([found[name] for name in FEATURES])
            supported.append(float(index_at[claim.start] not in row.unsupported))
    weights, bias = _logistic(np.array(features), np.array(supported), penalty)
    return dict(zip(FEATURES, map(float, weights), strict=True)), bias


def _logistic(x: NDArray[np.float64], y: NDArray[np.float64], penalty: float) -> tuple[NDArray[np.float64], float]:
    """Newton's method on the penalised likelihood."""
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    z = np.column_stack([(x - mean) / spread, np.ones(len(x))])
    ridge = np.diag([penalty] * x.shape[1] + [0.0])
    w = np.zeros(z.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-z @ w))
        w -= np.linalg.solve(z.T @ (z * (p * (1 - p) + 1e-9)[:, None]) + ridge, z.T @ (p - y) + ridge @ w)
    weights = w[:-1] / spread
    return weights, float(w[-1] - weights @ mean)
