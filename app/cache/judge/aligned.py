"""A small network over the tokens of two questions: has each its counterpart, and does it matter where it has not?

Every token looks for its counterpart among the other question's tokens (soft alignment, by a learned likeness and by
what the words say); one layer compares the two, and the means and the greatest of what comes out give one number
(decomposable attention: Parikh et al., arXiv 1606.01933). The token vectors are the embedding model's as they are.
Several networks of other random beginnings may be averaged; the shipped model has one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from app.cache.judge.alignment import SURE
from app.cache.judge.seen import Seen

Floats = NDArray[np.float32]

SCALE = 8.0  # of unit vectors; training starts well where inputs are near those of the embedding model
FARTHEST = 4.0  # places that a counterpart may jump; beyond it is all the same
EXTRA = 6  # numbers of a token beside its vector and its counterpart's
LARGE = 1000  # numbers; arrays from here on are stored at half precision


@dataclass(frozen=True, slots=True)
class TokenPair:
    """Two questions by their tokens.

    `vectors`: unit rows, (tokens, dimensions) each; `numbers`: (tokens, 2) each, whether the token needs a counterpart,
    and its rarity. `relation`: (tokens of a, tokens of b), 0 to 1, how surely both say the same by the words alone.
    `cosine`: of the whole questions.
    """

    vectors: tuple[Floats, Floats]
    numbers: tuple[Floats, Floats]
    relation: Floats
    cosine: float


def pair_tokens(a: Seen, b: Seen, lexical: Floats, cosine: float) -> TokenPair:
    """From the relations of items, (items of a, items of b): a token has that of its item, and to the same token 1."""
    padded = np.zeros((lexical.shape[0] + 1, lexical.shape[1] + 1), dtype=np.float32)  # the last: of no item
    padded[:-1, :-1] = lexical
    related: Floats = np.maximum(padded[a.owners[:, None], b.owners], a.ids[:, None] == b.ids)
    return TokenPair((a.tokens, b.tokens), (a.token_numbers, b.token_numbers), related, cosine)


@dataclass(frozen=True, slots=True)
class AlignedNet:
    """The weights of all networks; the first axis of each array, left out here, is the network.

    `look`: (dimensions, 2 * width), a token's value and its key. `energy`: (3,), what the cosine of two keys, a
    relation by the words and word-for-word sameness are worth in the alignment. `compare`: (4 * width + EXTRA,
    compared). `hidden`: (2 * compared + 2, units). `outer`: (units,). `bias`: ().
    """

    look: Floats
    look_bias: Floats
    energy: Floats
    compare: Floats
    compare_bias: Floats
    hidden: Floats
    hidden_bias: Floats
    outer: Floats
    bias: Floats

    def score(self, pair: TokenPair) -> float:
        """A logit, averaged: that the same answer is right for both. Their order does not matter. Without tokens 0."""
        if not pair.relation.size:
            return 0.0
        (one, one_key), (other, other_key) = (self._look(vectors) for vectors in pair.vectors)
        exact = pair.relation >= SURE
        likeness, related, same = self.energy.T[:, :, None, None]
        energy = likeness * (one_key @ other_key.transpose(0, 2, 1)) + related * pair.relation + same * exact
        back = energy.transpose(0, 2, 1)
        found = self._compare(one, other, softmax(energy), pair.relation, exact, pair.numbers[0])
        turned = self._compare(other, one, softmax(back), pair.relation.T, exact.T, pair.numbers[1])
        count, compared = self.compare_bias.shape
        pooled = np.empty((count, 2 * compared + 2), dtype=np.float32)
        pooled[:, :compared] = found.mean(axis=1) + turned.mean(axis=1)
        np.maximum(found.max(axis=1), turned.max(axis=1), out=pooled[:, compared:-2])
        pooled[:, -2:] = pair.cosine, math.sqrt(max(1 - pair.cosine, 1e-4))
        units = np.maximum(np.matmul(pooled[:, None], self.hidden)[:, 0] + self.hidden_bias, 0)
        return float(((units * self.outer).sum(axis=1) + self.bias).mean())

    def _look(self, vectors: Floats) -> tuple[Floats, Floats]:
        """A value and a key, of unit length, for each token: (networks, tokens, width) both."""
        looked = vectors @ self.look * np.float32(SCALE) + self.look_bias[:, None]
        value, key = np.split(looked, 2, axis=2)
        return value, key / np.maximum(np.sqrt((key * key).sum(axis=2, keepdims=True)), 1e-9)

    def _compare(
        self, own: Floats, others: Floats, weights: Floats, relation: Floats, exact: NDArray[np.bool_], numbers: Floats
    ) -> Floats:
        """(networks, tokens, compared). `weights`: (networks, own tokens, other tokens), of each as the counterpart."""
        counterpart = weights @ others
        count, other_count = relation.shape
        place = weights @ np.arange(other_count, dtype=np.float32)  # where the counterpart stands
        rows = np.empty((len(own), count, self.compare.shape[1]), dtype=np.float32)
        width = own.shape[2]
        rows[..., :width], rows[..., width : 2 * width] = own, counterpart
        np.abs(own - counterpart, out=rows[..., 2 * width : 3 * width])
        np.multiply(own, counterpart, out=rows[..., 3 * width : 4 * width])
        extra = rows[..., 4 * width :]
        extra[..., 0], extra[..., 1] = relation.max(axis=1), exact.any(axis=1)
        extra[..., 2] = place / other_count - np.arange(count, dtype=np.float32) / count
        extra[:, 0, 3] = 0
        extra[:, 1:, 3] = np.clip(place[:, 1:] - place[:, :-1] - 1, -FARTHEST, FARTHEST) / FARTHEST
        extra[..., 4:] = numbers
        compared: Floats = np.maximum(rows @ self.compare + self.compare_bias[:, None], 0)
        return compared

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For a file."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: values.astype(np.float16) if values.size >= LARGE else values for name, values in found.items()}

    @classmethod
    def of(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """From `arrays`. Raises KeyError when one is missing."""
        return cls(*(arrays[one.name].astype(np.float32) for one in fields(cls)))


def softmax(energy: Floats) -> Floats:
    """Positive weights that sum to 1 along the last axis."""
    weights = np.exp(energy - energy.max(axis=-1, keepdims=True))
    softened: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return softened


def averaged(nets: Sequence[AlignedNet]) -> AlignedNet:
    """All networks of several."""
    return AlignedNet(*(np.concatenate([getattr(net, one.name) for net in nets]) for one in fields(AlignedNet)))
