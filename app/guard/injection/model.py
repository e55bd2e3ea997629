"""The classifier's weights, as they lie in the repository: arrays and a JSON card, no pickle."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from app.guard.injection.cues import CUES
from app.guard.injection.lexical import BUCKETS

MODEL_FILE = Path(__file__).with_name("model.npz")
# What the vector, whose length is 1, is multiplied with before the network sees it beside the cues, which are 0 or 1.
VECTOR_SCALE = 4.0

Floats = NDArray[np.float32]
Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Unit:
    """What the classifier sees of a sentence, or of several.

    `ngrams`: buckets, sorted, int32; `cues`: 0 or 1, float32, shape (len(CUES),); `vector`: the mean of its tokens'
    vectors as they come out of the embedding model, unit length, float32.
    """

    ngrams: Ids
    cues: Floats
    vector: Floats


@dataclass(frozen=True, slots=True)
class InjectionModel:
    """Two judges, and how much each counts.

    A linear one: `words`, float32 (BUCKETS,), a weight for each hashed n-gram, `cues`, float32 (len(CUES),), `bias`.
    Networks of one hidden layer over vector and cues, those that started from other seeds along the first axis:
    `inner` (n, dimensions + len(CUES), hidden), `inner_bias` (n, hidden), `outer` (n, hidden), `outer_bias` (n,).
    The logit is slope * (linear + networks' mean) + offset; above 0 is an injection.
    """

    words: Floats
    cues: Floats
    bias: float
    inner: Floats
    inner_bias: Floats
    outer: Floats
    outer_bias: Floats
    slope: float = 1.0
    offset: float = 0.0
    # Taken off for each doubling of a text's windows: the maximum of many is high by chance.
    doubling: float = 0.0
    card: dict[str, Any] = field(default_factory=dict)

    def linear(self, unit: Unit) -> float:
        """The linear judge's logit. N-grams count by their share, so that length alone does not."""
        words = float(self.words[unit.ngrams].sum()) / max(1.0, float(np.sqrt(len(unit.ngrams))))
        return words + float(self.cues @ unit.cues) + self.bias

    def networks(self, unit: Unit) -> float:
        """The networks' mean logit."""
        seen = np.concatenate([unit.vector * np.float32(VECTOR_SCALE), unit.cues])
        hidden = np.maximum(seen @ self.inner + self.inner_bias, 0)
        return float(((hidden * self.outer).sum(axis=1) + self.outer_bias).mean())

    def raw(self, unit: Unit) -> float:
        """Uncalibrated."""
        return self.linear(unit) + self.networks(unit)

    def logit(self, raw: float, windows: int = 1) -> float:
        """Calibrated; `windows`: of the whole text."""
        return self.slope * raw + self.offset - self.doubling * float(np.log2(max(1, windows)))

    def save(self, path: Path) -> None:
        """Write an .npz: the n-grams' weights as int8 with one scale, the networks' as float16."""
        scale = float(np.abs(self.words).max()) / 127 or 1.0
        numbers = [scale, self.bias, self.slope, self.offset, self.doubling]
        np.savez_compressed(
            path,
            words=np.round(self.words / scale).astype(np.int8),
            cues=self.cues.astype(np.float32),
            inner=self.inner.astype(np.float16),
            inner_bias=self.inner_bias.astype(np.float16),
            outer=self.outer.astype(np.float16),
            outer_bias=self.outer_bias.astype(np.float16),
            numbers=np.array(numbers, dtype=np.float64),
            card=np.array(json.dumps(self.card, sort_keys=True)),
        )

    @classmethod
    def load(cls, path: Path = MODEL_FILE) -> Self:
        """Raises FileNotFoundError; ValueError for a file of something else."""
        with np.load(path, allow_pickle=False) as stored:
            if not {"words", "cues", "inner", "numbers", "card"} <= set(stored.files):
                raise ValueError(f"{path} is not an injection classifier")
            if stored["words"].shape != (BUCKETS,) or stored["cues"].shape != (len(CUES),):
                raise ValueError(f"{path} is an injection classifier of another version; train it again")
            scale, bias, slope, offset, doubling = (float(number) for number in stored["numbers"])
            inner, inner_bias, outer, outer_bias = (
                stored[name].astype(np.float32) for name in ("inner", "inner_bias", "outer", "outer_bias")
            )
            networks = inner, inner_bias, outer, outer_bias
            words = stored["words"].astype(np.float32) * np.float32(scale)
            card = json.loads(str(stored["card"]))
            return cls(words, stored["cues"], bias, *networks, slope, offset, doubling, card)
