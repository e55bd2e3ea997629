"""How likely the small model answers a prompt as well as the large one, from the prompt's embedding.

A logistic regression, trained and measured by `jobs/train_router.py`. The router sends a prompt to the
small model when `probability(vector) >= threshold_for(target_quality)`.
"""

import json
import math
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from app.config.errors import ConfigError

FORMAT = 1
REMEDY = "train one with `python -m jobs.train_router`"
NEVER = 1.0  # a threshold that no probability reaches
FLATTEST = 30.0  # logits beyond this would round to a probability of 1

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TierClassifier:
    """A trained classifier, and what its threshold trades.

    The logit of a vector x is `slope * (weights @ ((x - mean) / scale) + bias) + offset`; slope and
    offset calibrate (Platt, "Probabilistic outputs for support vector machines", 1999). Sending to the
    small model what reaches `thresholds[i]` or any higher threshold kept at least `quality[i]` of the
    large model's mean grade in cross-validation. Both rise; the last threshold is `NEVER`.
    """

    embedder: str  # config.embedder.id
    small: str
    large: str
    mean: Floats  # shape (dimensions,), as are scale and weights
    scale: Floats
    weights: Floats
    bias: float
    slope: float
    offset: float
    thresholds: Floats
    quality: Floats
    provenance: Mapping[str, Any]  # JSON: what it was trained from

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote. Raises ConfigError when it is not there or is something else."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                parts: dict[str, Any] = {name: np.asarray(arrays[name], dtype=np.float64) for name in VECTORS}
                parts |= json.loads(str(arrays["about"]))
            if parts.pop("format", None) != FORMAT:
                raise _unusable(path, "has another format")
            classifier = cls(**parts)
            sound = classifier._is_sound()
        except FileNotFoundError:
            raise ConfigError([f"tiers: no classifier at {path}; {REMEDY}"]) from None
        except ConfigError:
            raise
        except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile):
            raise _unusable(path, "is not a file that `jobs/train_router.py` wrote") from None
        if not sound:
            raise _unusable(path, "is damaged")
        return classifier

    def save(self, path: Path) -> None:
        """Write the classifier; the file appears by one rename. Holds numbers and JSON, nothing that runs."""
        about = {name: getattr(self, name) for name in SCALARS} | {"format": FORMAT}
        vectors = {name: getattr(self, name) for name in VECTORS}
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with part.open("wb") as file:
                np.savez_compressed(file, about=np.array(json.dumps(about, sort_keys=True)), **vectors)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def check(self, embedder: str, small: str, large: str) -> None:
        """Raises ConfigError when it was trained for another embedder or other models."""
        wanted = {"embedder": embedder, "small": small, "large": large}
        problems = [
            f"tiers: the classifier was trained for the {role} {getattr(self, role)!r}, not {name!r}; {REMEDY}"
            for role, name in wanted.items()
            if getattr(self, role) != name
        ]
        if problems:
            raise ConfigError(problems)

    def probability(self, vector: Sequence[float] | NDArray[np.floating[Any]]) -> float:
        """Of the small model's grade reaching the large one's; above 0 and below 1. Takes microseconds."""
        direction, intercept = self._line
        logit = float(direction @ np.asarray(vector)) + intercept
        return 1 / (1 + math.exp(-min(FLATTEST, max(-FLATTEST, logit))))

    def threshold_for(self, target_quality: float) -> float:
        """The lowest threshold that keeps this share (0 to 1) of the large model's quality.

        `NEVER` when only the large model itself does. Raises ValueError for a target that is no share.
        """
        if not 0 <= target_quality <= 1:
            raise ValueError(f"target quality is {target_quality}; it must be from 0 to 1")
        return float(self.thresholds[np.searchsorted(self.quality, target_quality)])

    @cached_property
    def _line(self) -> tuple[Floats, float]:
        """Normalisation and calibration folded into one direction and one number."""
        direction = self.slope * self.weights / self.scale
        return direction, self.slope * self.bias + self.offset - float(direction @ self.mean)

    def _is_sound(self) -> bool:
        line, curve = (self.mean, self.scale, self.weights), (self.thresholds, self.quality)
        numbers = (*line, *curve, np.array([self.bias, self.slope, self.offset], dtype=np.float64))
        return (
            all(np.isfinite(values).all() for values in numbers)
            and all(values.ndim == 1 and values.size == self.weights.size > 0 for values in line)
            and all(values.ndim == 1 and values.size == self.quality.size > 0 for values in curve)
            and all(bool((np.diff(values) >= 0).all()) for values in curve)
            and bool((self.scale > 0).all())
            and self.thresholds[-1] == NEVER
            and self.quality[-1] == 1
        )


VECTORS = ("mean", "scale", "weights", "thresholds", "quality")
SCALARS = ("embedder", "small", "large", "bias", "slope", "offset", "provenance")


def _unusable(path: Path, why: str) -> ConfigError:
    return ConfigError([f"tiers: {path} {why}; {REMEDY}"])
