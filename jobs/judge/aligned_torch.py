"""The network over aligned tokens (app/cache/judge/aligned.py) in training: batches, padding, dropout."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from app.cache.judge.aligned import EXTRA, FARTHEST, SCALE, AlignedNet, TokenPair
from app.cache.judge.alignment import SURE

WIDTH, COMPARED, UNITS = 64, 96, 32
DROPPED = 0.2
CHUNK = 128  # pairs of about one length are padded together
APART = -1e4  # energy of a token that is not there


class Aligner(nn.Module):
    """The same sums as `AlignedNet`. `dimensions`: of a token's vector."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.look = nn.Linear(dimensions, 2 * WIDTH)
        self.compare = nn.Linear(4 * WIDTH + EXTRA, COMPARED)
        self.hidden = nn.Linear(2 * COMPARED + 2, UNITS)
        self.outer = nn.Linear(UNITS, 1)
        # The first is an exponent: a cosine lies within 1, and must be able to count for much more than that.
        self.energy = nn.Parameter(torch.full((3,), 2.0))

    def forward(self, pairs: Sequence[TokenPair]) -> Tensor:
        """Logits, shape (pairs,)."""
        lengths = np.array([max(pair.relation.shape) for pair in pairs])
        order = np.argsort(lengths, kind="stable")
        parts = np.array_split(order, math.ceil(len(order) / CHUNK))
        logits = torch.cat([self._padded([pairs[row] for row in part]) for part in parts])
        return logits[torch.from_numpy(np.argsort(order))]

    def finished(self) -> AlignedNet:
        """The weights as they are, for use."""
        energy = self.energy.detach().numpy().copy()
        energy[0] = math.exp(energy[0])
        (look, look_bias), (compare, compare_bias), (hidden, hidden_bias), (outer, bias) = (
            (layer.weight.detach().numpy().T[None].copy(), layer.bias.detach().numpy()[None].copy())
            for layer in (self.look, self.compare, self.hidden, self.outer)
        )
        return AlignedNet(
            look, look_bias, energy[None], compare, compare_bias, hidden, hidden_bias, outer[:, :, 0], bias[:, 0]
        )

    def _padded(self, pairs: Sequence[TokenPair]) -> Tensor:
        counts = torch.tensor([pair.relation.shape for pair in pairs]).T
        most = int(counts.max())
        masks = torch.arange(most) < counts[:, :, None]  # (sides, pairs, tokens)
        relation = padded([pair.relation for pair in pairs], most, most)
        exact = (relation >= SURE).float()
        looked = [self._look([pair.vectors[side] for pair in pairs], most) for side in (0, 1)]
        energy = self.energy[0].exp() * (looked[0][1] @ looked[1][1].transpose(1, 2))
        energy = energy + self.energy[1] * relation + self.energy[2] * exact
        means, mosts = [], []
        for side in (0, 1):
            turned = [one if side == 0 else one.transpose(1, 2) for one in (energy, relation, exact)]
            numbers = padded([pair.numbers[side] for pair in pairs], most, 2)
            found = self._compare(
                looked[side][0], looked[1 - side][0], turned, masks[1 - side], counts[[side, 1 - side]], numbers
            )
            found = found.masked_fill(~masks[side][:, :, None], 0)
            means.append(found.sum(dim=1) / counts[side][:, None])
            mosts.append(found.amax(dim=1))
        cosine = torch.tensor([pair.cosine for pair in pairs])
        apart = (1 - cosine).clamp(min=1e-4).sqrt()
        ends = cosine[:, None], apart[:, None]
        pooled = self._drop(torch.cat([means[0] + means[1], torch.maximum(*mosts), *ends], dim=1))
        logits: Tensor = self.outer(torch.relu(self.hidden(pooled)))[:, 0]
        return logits

    def _look(self, vectors: Sequence[NDArray[np.float32]], most: int) -> tuple[Tensor, Tensor]:
        """Values and keys of one side's tokens, (pairs, most, WIDTH). A text that several pairs share is read once."""
        texts = {id(one): one for one in vectors}
        at = {key: row for row, key in enumerate(texts)}
        tokens = self._drop(padded(list(texts.values()), most, vectors[0].shape[1]) * SCALE)
        value, key = self.look(tokens)[torch.tensor([at[id(one)] for one in vectors])].chunk(2, dim=-1)
        return value, functional.normalize(key, dim=-1)

    def _compare(
        self, own: Tensor, others: Tensor, between: list[Tensor], mask: Tensor, counts: Tensor, numbers: Tensor
    ) -> Tensor:
        """(pairs, tokens, COMPARED). `between`: energy, relation, exact; `mask`: which of the others are there."""
        energy, relation, exact = between
        weights = torch.softmax(energy.masked_fill(~mask[:, None], APART), dim=2)
        counterpart = weights @ others
        places = torch.arange(own.shape[1], dtype=torch.float32)
        place = weights @ places
        jump = (place[:, 1:] - place[:, :-1] - 1).clamp(-FARTHEST, FARTHEST) / FARTHEST
        shift = place / counts[1][:, None] - places / counts[0][:, None]
        extra = torch.stack([relation.amax(dim=2), exact.amax(dim=2), shift, functional.pad(jump, (1, 0))], dim=-1)
        parts = torch.cat([own, counterpart, (own - counterpart).abs(), own * counterpart], dim=-1)
        return torch.relu(self.compare(torch.cat([self._drop(parts), extra, numbers], dim=-1)))

    def _drop(self, values: Tensor) -> Tensor:
        return functional.dropout(values, DROPPED, self.training)


def padded(rows: Sequence[NDArray[Any]], height: int, width: int) -> Tensor:
    """Matrices of several sizes as one, zeros behind."""
    joined = np.zeros((len(rows), height, width), dtype=np.float32)
    for at, row in enumerate(rows):
        joined[at, : row.shape[0], : row.shape[1]] = row
    return torch.from_numpy(joined)
