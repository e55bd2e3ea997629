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
        if not len(rows):
            return float(self.outer_bias.mean())
        found = np.maximum(np.matmul(rows, self.inner) + self.inner_bias[:, None], 0)  # (networks, items, hidden)
        count = np.full((len(self.inner), 1), np.sqrt(len(rows)), dtype=np.float32)
        pooled = np.concatenate([found.mean(axis=1), found.max(axis=1), count], axis=1)
        return float((pooled * self.outer).sum(axis=1).mean() + self.outer_bias.mean())
