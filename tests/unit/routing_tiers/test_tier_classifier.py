"""The classifier that the router asks: its file, its probabilities, its threshold."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.config.errors import ConfigError
from app.routing.tiers import NEVER, TierClassifier


@pytest.fixture
def classifier() -> TierClassifier:
    draw = np.random.default_rng(1)
    return TierClassifier(
        embedder="embedder-1",
        small="small-1",
        large="large-1",
        mean=draw.normal(size=4),
        scale=np.array([0.5, 1.0, 2.0, 4.0]),
        weights=draw.normal(size=4),
        bias=0.3,
        slope=1.5,
        offset=-0.2,
        thresholds=np.array([0.2, 0.5, 0.8, NEVER]),
        quality=np.array([0.6, 0.9, 0.95, 1.0]),
        provenance={"prompts": 120},
    )


def test_what_is_saved_is_what_is_loaded(classifier: TierClassifier, tmp_path: Path) -> None:
    path = tmp_path / "router" / "tiers.npz"
    classifier.save(path)
    loaded = TierClassifier.load(path)
    vector = np.array([0.1, -0.2, 0.3, 0.4], dtype=np.float32)
    assert loaded.probability(vector) == classifier.probability(vector)
    assert loaded.thresholds.tolist() == classifier.thresholds.tolist()
    assert (loaded.embedder, loaded.small, loaded.large) == ("embedder-1", "small-1", "large-1")
    assert loaded.provenance == {"prompts": 120}
    assert list(path.parent.iterdir()) == [path]


def test_the_file_holds_no_pickle(classifier: TierClassifier, tmp_path: Path) -> None:
    classifier.save(tmp_path / "tiers.npz")
    with np.load(tmp_path / "tiers.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype.kind in "fU" for name in arrays.files)


def test_the_probability_is_the_documented_formula(classifier: TierClassifier) -> None:
    vector = np.array([0.1, -0.2, 0.3, 0.4])
    logit = 1.5 * (classifier.weights @ ((vector - classifier.mean) / classifier.scale) + 0.3) - 0.2
    assert classifier.probability(vector.tolist()) == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-12)


@pytest.mark.parametrize("length", [0.0, 1.0, 1e3, 1e9, -1e9])
def test_a_probability_lies_above_0_and_below_1(classifier: TierClassifier, length: float) -> None:
    assert 0 < classifier.probability(length * classifier.weights) < NEVER


@pytest.mark.parametrize(
    ("target", "threshold"), [(0, 0.2), (0.6, 0.2), (0.61, 0.5), (0.9, 0.5), (0.95, 0.8), (0.951, NEVER), (1, NEVER)]
)
def test_the_threshold_is_the_lowest_that_keeps_the_target(
    classifier: TierClassifier, target: float, threshold: float
) -> None:
    assert classifier.threshold_for(target) == threshold


@pytest.mark.parametrize("target", [-0.1, 1.01, float("nan")])
def test_a_target_that_is_no_share_is_refused(classifier: TierClassifier, target: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        classifier.threshold_for(target)


def test_the_right_embedder_and_models_pass(classifier: TierClassifier) -> None:
    classifier.check("embedder-1", "small-1", "large-1")


@pytest.mark.parametrize(
    ("names", "role"),
    [
        (("embedder-2", "small-1", "large-1"), "embedder 'embedder-1', not 'embedder-2'"),
        (("embedder-1", "small-2", "large-1"), "small 'small-1', not 'small-2'"),
        (("embedder-1", "large-1", "small-1"), "large 'large-1', not 'small-1'"),
    ],
)
def test_another_embedder_or_other_models_are_refused_by_name(
    classifier: TierClassifier, names: tuple[str, str, str], role: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(role)):
        classifier.check(*names)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no classifier at .*jobs\.train_router"):
        TierClassifier.load(tmp_path / "tiers.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"weights: 1", b"\x80\x04N."])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tiers.npz"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"is not a file that"):
        TierClassifier.load(path)


class Canary:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_in_the_file_is_never_run(classifier: TierClassifier, tmp_path: Path) -> None:
    path = tmp_path / "tiers.npz"
    np.savez(path, about=np.array(Canary(tmp_path / "ran"), dtype=object), mean=np.zeros(4))
    with pytest.raises(ConfigError):
        TierClassifier.load(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"weights": np.array([1.0, np.nan, 0.0, 0.0])},
        {"mean": np.zeros(3)},
        {"scale": np.array([1.0, 0.0, 1.0, 1.0])},
        {"thresholds": np.array([0.5, 0.2, 0.8, NEVER])},
        {"thresholds": np.array([0.2, 0.5, 0.8, 0.9])},
        {"quality": np.array([0.6, 0.9, 1.0])},
        {"quality": np.array([0.6, 0.9, 0.8, 1.0])},
        {"bias": float("inf")},
    ],
)
def test_numbers_that_cannot_be_right_are_refused(
    classifier: TierClassifier, tmp_path: Path, change: dict[str, Any]
) -> None:
    replace(classifier, **change).save(tmp_path / "tiers.npz")
    with pytest.raises(ConfigError, match="is damaged"):
        TierClassifier.load(tmp_path / "tiers.npz")


def test_a_file_of_another_format_is_refused(classifier: TierClassifier, tmp_path: Path) -> None:
    path = tmp_path / "tiers.npz"
    classifier.save(path)
    with np.load(path) as arrays:
        parts = dict(arrays)
    about = json.loads(str(parts["about"])) | {"format": 2}
    np.savez(path, **(parts | {"about": np.array(json.dumps(about))}))
    with pytest.raises(ConfigError, match="another format"):
        TierClassifier.load(path)
