"""How many attacks a rail for prompt injection finds, and how many harmless texts it takes for one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from app.evals.guard.injection_set import Labelled
from app.guard.rail import TextRail

THRESHOLD = 0.5  # the policy's default
FALSE_POSITIVES = 0.02  # at which detection is compared between sets


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    found: int
    of: int

    @property
    def value(self) -> float:
        """NaN of nothing."""
        return self.found / self.of if self.of else float("nan")


@dataclass(frozen=True, slots=True)
class Measured:
    """A rail's scores for the labelled texts of one set."""

    name: str
    rows: Sequence[Labelled]
    scores: NDArray[np.float64]
    threshold: float = THRESHOLD

    @property
    def is_attack(self) -> NDArray[np.bool_]:
        return np.array([row.is_attack for row in self.rows], dtype=np.bool_)

    def flagged(self, of_attacks: bool) -> Share:
        """Attacks found, or harmless texts flagged, at the threshold."""
        chosen = self.scores[self.is_attack == of_attacks]
        return Share(int((chosen >= self.threshold).sum()), len(chosen))

    def by_category(self) -> list[tuple[str, bool, Share]]:
        """(category, whether it holds attacks, flagged at the threshold), attacks first."""
        keys = sorted({(not row.is_attack, row.category) for row in self.rows})
        found = []
        for harmless, category in keys:
            chosen = [
                score
                for row, score in zip(self.rows, self.scores.tolist(), strict=True)
                if row.category == category and row.is_attack != harmless
            ]
            found.append((category, not harmless, Share(sum(s >= self.threshold for s in chosen), len(chosen))))
        return found

    def detection_at(self, false_positives: float = FALSE_POSITIVES) -> float:
        """Share of attacks found where at most this share of the set's own harmless texts is flagged; NaN where one of
        both is missing. The threshold is read off the set itself."""
        harmless, attacks = np.sort(self.scores[~self.is_attack])[::-1], self.scores[self.is_attack]
        if not len(harmless) or not len(attacks):
            return float("nan")
        allowed = int(false_positives * len(harmless))
        return float((attacks > harmless[allowed]).mean()) if allowed < len(harmless) else 1.0

    @property
    def auc(self) -> float:
        """The probability that an attack scores higher than a harmless text; ties count half."""
        harmless, attacks = np.sort(self.scores[~self.is_attack]), self.scores[self.is_attack]
        if not len(harmless) or not len(attacks):
            return float("nan")
        below = np.searchsorted(harmless, attacks, "left") + np.searchsorted(harmless, attacks, "right")
        return float(below.mean() / 2 / len(harmless))


def measure(
    name: str, rows: Sequence[Labelled], rail: TextRail, advance: Callable[[], object] = lambda: None
) -> Measured:
    """Examine each text. `advance` is called after each."""
    scores = np.zeros(len(rows))
    for at, row in enumerate(rows):
        (hits,) = rail.examine([row.text])
        scores[at] = max((hit.score for hit in hits), default=0.0)
        advance()
    return Measured(name, rows, scores)


def long_documents(rows: Sequence[Labelled], parts: int) -> list[Labelled]:
    """Harmless texts joined to documents of `parts`, and the same with an attack in the place of one of them."""
    harmless = [row for row in rows if not row.is_attack]
    attacks = [row for row in rows if row.is_attack]
    documents = []
    borders = range(0, len(harmless) + 1, parts)
    for number, (start, end) in enumerate(pairwise(borders)):
        texts = [row.text for row in harmless[start:end]]
        documents.append(Labelled("\n\n".join(texts), False, f"{parts} joined", "long"))
        if attacks:
            texts[number % parts] = attacks[number % len(attacks)].text
            documents.append(Labelled("\n\n".join(texts), True, f"{parts} joined", "long"))
    return documents
