"""How probable it is that a passage answers a query: a logistic regression over the evidence.

Its probability is for a passage of a query that may have no answer at all. Numbers in a JSON file, no code;
`jobs/train_relevance.py` writes it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from app.retrieval.search.evidence import FEATURES
from app.whole_file import replacing

MODEL_FILE = Path(__file__).with_name("relevance.json")
FORMAT = 1
_FURTHEST = 30.0  # logits beyond this are as good as sure


@dataclass(frozen=True, slots=True)
class Relevance:
    """`weights` are for the features as they are, in the order of `FEATURES`.

    `threshold` is the least probability of the best passage at which a query counts as answered in the documents.
    `card` says where the weights are from, and how they did.
    """

    weights: NDArray[np.float64]
    bias: float
    threshold: float
    card: Mapping[str, Any] = field(default_factory=dict)

    def logits(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """For each row of evidence."""
        return np.clip(rows @ self.weights + self.bias, -_FURTHEST, _FURTHEST)

    def save(self, path: Path = MODEL_FILE) -> None:
        """Write a file that `load` reads; it appears by one rename."""
        content = {
            "format": FORMAT,
            "card": dict(self.card),
            "threshold": round(self.threshold, 4),
            "bias": round(self.bias, 5),
            "weights": {name: round(float(w), 5) for name, w in zip(FEATURES, self.weights, strict=True)},
        }
        with replacing(path) as part:
            part.write_text(json.dumps(content, indent=2) + "\n")

    @classmethod
    def load(cls, path: Path = MODEL_FILE) -> Self:
        """Raises OSError when the file is missing, ValueError when it is broken or made for other features."""
        try:
            content = json.loads(path.read_text())
            if content["format"] != FORMAT or set(content["weights"]) != set(FEATURES):
                raise ValueError(f"{path} is made for another version of this code; train it again")
            weights = np.array([float(content["weights"][name]) for name in FEATURES])
            bias, threshold = float(content["bias"]), float(content["threshold"])
            if not np.isfinite([*weights, bias]).all() or not 0 <= threshold <= 1:
                raise ValueError(f"{path} holds numbers that cannot be right")
            return cls(weights, bias, threshold, content.get("card", {}))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is no file of relevance weights") from error


def probability(logit: float) -> float:
    """What a logit stands for."""
    return float(1 / (1 + np.exp(-logit)))
