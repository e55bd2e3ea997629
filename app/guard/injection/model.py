"""The classifier's weights, as they lie in the repository: arrays and a JSON card, no pickle."""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from app.guard.injection.lexical import BUCKETS, ngrams
from app.guard.injection.network import Floats, TokenNet

MODEL_FILE = Path(__file__).with_name("model.npz")


@dataclass(frozen=True, slots=True)
class InjectionModel:
    """`words` is float32, shape (BUCKETS,): a weight for each hashed n-gram. The logit of a window is
    `weights` (words', network's, offset) applied to both scores; 0 is the operating point."""

    words: Floats
    words_bias: float
    net: TokenNet
    weights: tuple[float, float, float]
    # How much is taken off for each doubling of the number of windows: the maximum of many is high by chance.
    doubling: float = 0.0
    card: dict[str, Any] = field(default_factory=dict)

    def words_score(self, text: str) -> float:
        """The n-grams' logit; that of a text's share of n-grams, so that length alone does not matter much."""
        found: NDArray[np.int32] = ngrams(text)
        if not len(found):
            return self.words_bias
        return float(self.words[found].sum() / np.sqrt(len(found))) + self.words_bias

    def logit(self, words: float, network: float) -> float:
        return self.weights[0] * words + self.weights[1] * network + self.weights[2]

    def save(self, path: Path) -> None:
        """Write an .npz: the n-grams' weights as int8 with one scale, the networks' as float16."""
        scale = float(np.abs(self.words).max()) / 127 or 1.0
        arrays: dict[str, NDArray[Any]] = {
            "words": np.round(self.words / scale).astype(np.int8),
            "numbers": np.array([scale, self.words_bias, *self.weights, self.doubling], dtype=np.float64),
            "card": np.array(json.dumps(self.card, sort_keys=True)),
        }
        for one in fields(TokenNet):
            arrays[f"net_{one.name}"] = getattr(self.net, one.name).astype(np.float16)
        np.savez_compressed(path, **arrays)

    @classmethod
    def load(cls, path: Path = MODEL_FILE) -> Self:
        """Raises FileNotFoundError; ValueError for a file of something else."""
        with np.load(path, allow_pickle=False) as stored:
            if "words" not in stored or stored["words"].shape != (BUCKETS,):
                raise ValueError(f"{path} is not an injection classifier of this version")
            scale, bias, one, two, three, doubling = (float(number) for number in stored["numbers"])
            net = TokenNet(*(stored[f"net_{one.name}"].astype(np.float32) for one in fields(TokenNet)))
            words = stored["words"].astype(np.float32) * np.float32(scale)
            return cls(words, bias, net, (one, two, three), doubling, json.loads(str(stored["card"])))
