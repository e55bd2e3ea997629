"""The classifier's weights, as they lie in the repository: arrays and a JSON card, no pickle."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from app.guard.injection.cues import CUES
from app.guard.injection.lexical import BUCKETS
from app.whole_file import replacing

MODEL_FILE = Path(__file__).with_name("model.npz")
# What the tuned encoder gives for this text is stored with it; another embedding model gives something else.
PROBE = "Summarise the report, and leave out what the appendix says about earlier instructions."

Floats = NDArray[np.float32]
Ids = NDArray[np.int32]
_LAYER = "layer/"
_NUMBERS = 9  # that are stored


@dataclass(frozen=True, slots=True)
class InjectionModel:
    """Two judges of a window, and how much each counts.

    The encoder's: `layers`, as `app.guard.injection.encoder.Encoder` takes them, and a head over its token vectors,
    `attention` and `value`, float32 (pools, dimensions). Each pool looks at the tokens by its own softmax and sums
    what they are worth to it. A linear one: `words`, float32 (BUCKETS,), a weight for each hashed n-gram, and `cues`,
    float32 (len(CUES),). The logit is slope * (encoder + share * linear) + offset; above 0 is an injection.

    The two make a cascade (Viola and Jones, 2001): a short window whose linear logit is below `harmless` costs no pass
    of the encoder, and `unread` stands for what it would have said.
    """

    layers: Mapping[str, NDArray[Any]]
    attention: Floats
    value: Floats
    bias: float
    words: Floats
    cues: Floats
    linear_bias: float
    share: float = 1.0
    slope: float = 1.0
    offset: float = 0.0
    # Taken off for each doubling of a text's windows: the maximum of many is high by chance.
    doubling: float = 0.0
    harmless: float = -math.inf
    unread: float = 0.0
    probe: Floats = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    card: dict[str, Any] = field(default_factory=dict)

    def linear(self, ngrams: Ids, cues: Floats) -> float:
        """The linear judge's logit. N-grams count by their share, so that length alone does not."""
        words = float(self.words[ngrams].sum()) / max(1.0, float(np.sqrt(len(ngrams))))
        return words + float(self.cues @ cues) + self.linear_bias

    def parts(self, vectors: Floats) -> Floats:
        """What each token adds to the encoder's logit. `vectors`: float32, (tokens, dimensions)."""
        looks = vectors @ self.attention.T
        looks = np.exp(looks - looks.max(axis=0))
        shares: Floats = (looks / looks.sum(axis=0) * (vectors @ self.value.T)).sum(axis=1)
        return shares

    def raw(self, parts: Floats, linear: float) -> float:
        """Uncalibrated, of both judges."""
        return float(parts.sum()) + self.bias + self.share * linear

    def raw_unread(self, linear: float) -> float:
        """The same where the encoder was not asked."""
        return self.unread + self.share * linear

    def logit(self, raw: float, windows: int = 1) -> float:
        """Calibrated; `windows`: of the whole text."""
        return self.slope * raw + self.offset - self.doubling * float(np.log2(max(1, windows)))

    def save(self, path: Path) -> None:
        """Write an .npz: layers as they are, the n-grams' weights as int8 with one scale. Appears by one rename."""
        scale = float(np.abs(self.words).max()) / 127 or 1.0
        numbers = [scale, self.bias, self.linear_bias, self.share, self.slope, self.offset, self.doubling]
        numbers += [self.harmless, self.unread]
        arrays: dict[str, Any] = {
            "words": np.round(self.words / scale).astype(np.int8),
            "cues": self.cues.astype(np.float32),
            "attention": self.attention.astype(np.float32),
            "value": self.value.astype(np.float32),
            "numbers": np.array(numbers, dtype=np.float64),
            "probe": self.probe.astype(np.float16),
            "card": np.array(json.dumps(self.card, sort_keys=True)),
        }
        arrays |= {f"{_LAYER}{name}": array for name, array in self.layers.items()}
        with replacing(path) as part, part.open("wb") as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path: Path = MODEL_FILE) -> Self:
        """Raises FileNotFoundError; ValueError for a file of something else."""
        with np.load(path, allow_pickle=False) as stored:
            if not {"words", "cues", "numbers", "card"} <= set(stored.files):
                raise ValueError(f"{path} is not an injection classifier")
            same = stored["words"].shape == (BUCKETS,) and stored["cues"].shape == (len(CUES),)
            if not same or "attention" not in stored.files or stored["numbers"].shape != (_NUMBERS,):
                raise ValueError(f"{path} is an injection classifier of another version; train it again")
            scale, *numbers = (float(number) for number in stored["numbers"])
            bias, linear_bias, share, slope, offset, doubling, harmless, unread = numbers
            return cls(
                layers={name.removeprefix(_LAYER): stored[name] for name in stored.files if name.startswith(_LAYER)},
                attention=stored["attention"],
                value=stored["value"],
                bias=bias,
                words=stored["words"].astype(np.float32) * np.float32(scale),
                cues=stored["cues"],
                linear_bias=linear_bias,
                share=share,
                slope=slope,
                offset=offset,
                doubling=doubling,
                harmless=harmless,
                unread=unread,
                probe=stored["probe"].astype(np.float32),
                card=json.loads(str(stored["card"])),
            )
