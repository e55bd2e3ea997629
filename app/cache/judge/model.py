"""The judge's learned part: a network over left-over words, boosted trees over its score and the features, a network
over aligned tokens, and what makes a probability of both. Numbers in a file, no code."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from app.cache.judge.aligned import AlignedNet
from app.cache.judge.features import Compared
from app.cache.judge.loose import LooseNet

MODEL_FILE = Path(__file__).with_name("model.npz")
FORMAT = 3
LOOSE = "loose"  # the first network's score among the features
ALIGNED = "aligned_"  # before the names of the second one's arrays in the file
LEAF = -1
MOST = 30.0  # of a logit, either way

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trees:
    """All trees side by side, shape (trees, most nodes); a leaf's `feature` is -1, node 0 is the root."""

    feature: NDArray[np.int16]
    threshold: NDArray[np.float32]
    left: NDArray[np.int16]
    right: NDArray[np.int16]
    value: NDArray[np.float32]
    depth: int

    def sum(self, values: NDArray[np.float32]) -> float:
        """The sum of the leaves that one row of features reaches."""
        feature, threshold = self.feature.ravel(), self.threshold.ravel()
        left, right = self.left.ravel(), self.right.ravel()
        roots = np.arange(len(self.feature)) * self.feature.shape[1]
        node = roots
        for _ in range(self.depth):
            split = feature.take(node)
            below = values.take(split) <= threshold.take(node)  # of a leaf: the last feature, in vain
            step = np.where(below, left.take(node), right.take(node))
            node = np.where(split == LEAF, node, roots + step)
        return float(self.value.ravel().take(node).sum())


@dataclass(frozen=True, slots=True)
class JudgeModel:
    """`probability` of a pair; `min_score` is where a hit may be served.

    `slope`, `aligned_slope` and `offset` are a logistic regression's (Platt's scaling, of two scores), fitted to
    held-out scores on pairs half of which ask the same. `card` says what it was trained on and how it was measured.
    """

    names: tuple[str, ...]
    trees: Trees
    net: LooseNet
    aligned: AlignedNet
    bias: float
    slope: float
    aligned_slope: float
    offset: float
    min_score: float
    card: Mapping[str, Any] = field(default_factory=dict)

    def probability(self, compared: Compared) -> float:
        """That both ask the same. Raises KeyError when a feature is missing."""
        features = {**compared.features, LOOSE: self.net.score(compared.loose)}
        row = np.array([features[name] for name in self.names], dtype=np.float32)
        return probability_of(self.logit(row, self.aligned.score(compared.tokens)))

    def logit(self, row: NDArray[np.float32], aligned: float) -> float:
        """Of a row of features in the order of `names`, and the score of the network over aligned tokens."""
        return self.slope * (self.bias + self.trees.sum(row)) + self.aligned_slope * aligned + self.offset

    def save(self, path: Path = MODEL_FILE) -> None:
        """Write a file that `load` reads."""
        head = {
            "format": FORMAT,
            "names": list(self.names),
            "depth": self.trees.depth,
            "bias": self.bias,
            "slope": self.slope,
            "aligned_slope": self.aligned_slope,
            "offset": self.offset,
            "min_score": self.min_score,
            "card": dict(self.card),
        }
        aligned: dict[str, Any] = {ALIGNED + name: values for name, values in self.aligned.arrays().items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            path,
            head=np.frombuffer(json.dumps(head).encode(), dtype=np.uint8),
            feature=self.trees.feature,
            threshold=self.trees.threshold,
            left=self.trees.left,
            right=self.trees.right,
            value=self.trees.value,
            inner=self.net.inner.astype(np.float16),
            inner_bias=self.net.inner_bias,
            outer=self.net.outer,
            outer_bias=self.net.outer_bias,
            **aligned,
        )

    @classmethod
    def load(cls, path: Path = MODEL_FILE) -> Self:
        """Raises OSError when the file is missing, ValueError when it is broken or of another version."""
        with np.load(path, allow_pickle=False) as arrays:
            head = json.loads(arrays["head"].tobytes())
            if head.get("format") != FORMAT:
                raise ValueError(f"{path} is a judge's model of format {head.get('format')}; this code reads {FORMAT}")
            trees = Trees(
                arrays["feature"], arrays["threshold"], arrays["left"], arrays["right"], arrays["value"], head["depth"]
            )
            return cls(
                tuple(head["names"]),
                trees,
                LooseNet(
                    arrays["inner"].astype(np.float32), arrays["inner_bias"], arrays["outer"], arrays["outer_bias"]
                ),
                AlignedNet.of(
                    {name.removeprefix(ALIGNED): arrays[name] for name in arrays if name.startswith(ALIGNED)}
                ),
                head["bias"],
                head["slope"],
                head["aligned_slope"],
                head["offset"],
                head["min_score"],
                head["card"],
            )


def probability_of(logit: float) -> float:
    """Between 0 and 1, and neither."""
    return float(1 / (1 + np.exp(-min(max(logit, -MOST), MOST))))


def stack_trees(trees: Sequence[Sequence[tuple[int, float, int, int, float]]]) -> Trees:
    """From nodes (feature or -1, threshold, left, right, value) of each tree."""
    size = max(map(len, trees))
    shape = len(trees), size
    feature = np.full(shape, LEAF, dtype=np.int16)
    threshold, value = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
    left, right = np.zeros(shape, dtype=np.int16), np.zeros(shape, dtype=np.int16)
    for t, nodes in enumerate(trees):
        for n, (split, at, low, high, leaf) in enumerate(nodes):
            feature[t, n], threshold[t, n], left[t, n], right[t, n], value[t, n] = split, at, low, high, leaf
    return Trees(feature, threshold, left, right, value, max(_depth(nodes) for nodes in trees))


def _depth(nodes: Sequence[tuple[int, float, int, int, float]], at: int = 0) -> int:
    split, _, low, high, _ = nodes[at]
    return 0 if split == LEAF else 1 + max(_depth(nodes, low), _depth(nodes, high))
