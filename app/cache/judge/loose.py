"""A small network over what two questions do not share: do the words left over change the answer?

Each left-over item, with its nearest counterpart, goes through one layer; the means and the greatest of what
comes out, over all items, give one number (deep sets: Zaheer et al., arXiv 1703.06114). Several networks,
trained on different groups, are averaged.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LooseNet:
    """Weights of all networks: `inner` (networks, width, hidden), `outer` (networks, 2 * hidden + 1)."""

    inner: Floats
    inner_bias: Floats
    outer: Floats
    outer_bias: Floats

    def score(self, rows: Floats) -> float:
        """Rows as `features.compare` gives them, shape (items, width). Returns a logit, averaged."""
        hidden = self.inner.shape[2]
        total = 0.0
        for inner, inner_bias, outer, outer_bias in zip(
            self.inner, self.inner_bias, self.outer, self.outer_bias, strict=True
        ):
            pooled = np.zeros(2 * hidden + 1, dtype=np.float32)
            if len(rows):
                found = np.maximum(rows @ inner + inner_bias, 0)
                pooled[:hidden], pooled[hidden:-1] = found.mean(axis=0), found.max(axis=0)
                pooled[-1] = np.sqrt(len(rows))
            total += float(pooled @ outer + outer_bias)
        return total / len(self.inner)
