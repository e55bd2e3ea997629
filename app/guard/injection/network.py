"""A small network over the embedding model's vectors of a text's tokens.

Each token goes through one layer; what is found is pooled by the mean, the maximum and by several learned attentions
(Lin et al. 2017, "A Structured Self-attentive Sentence Embedding", arXiv 1703.03130), so that a few tokens in a long
text can decide; two more layers weigh that. Several networks that started from other seeds are averaged.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TokenNet:
    """Weights, the networks' along the first axis.

    `inner` (n, dimensions, hidden), `inner_bias` (n, hidden); `attention` (n, dimensions, heads), `attention_bias`
    (n, heads); `middle` (n, (heads + 2) * hidden, width), `middle_bias` (n, width); `outer` (n, width),
    `outer_bias` (n,).
    """

    inner: Floats
    inner_bias: Floats
    attention: Floats
    attention_bias: Floats
    middle: Floats
    middle_bias: Floats
    outer: Floats
    outer_bias: Floats

    def score(self, tokens: Floats) -> float:
        """The mean logit for a text's token vectors, float32, shape (tokens, dimensions)."""
        return float(np.mean([self._one(at, tokens) for at in range(len(self.outer))]))

    def _one(self, at: int, tokens: Floats) -> float:
        found = np.maximum(tokens @ self.inner[at] + self.inner_bias[at], 0)
        weights = tokens @ self.attention[at] + self.attention_bias[at]
        weights = np.exp(weights - weights.max(axis=0))
        weights /= weights.sum(axis=0)
        pooled = np.concatenate([found.mean(axis=0), found.max(axis=0), (weights.T @ found).ravel()])
        middle = np.maximum(pooled @ self.middle[at] + self.middle_bias[at], 0)
        return float(middle @ self.outer[at] + self.outer_bias[at])
