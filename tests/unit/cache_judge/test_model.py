"""The model's file, and the trees in it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.cache.judge import load_judge
from app.cache.judge.features import Compared, compare
from app.cache.judge.loose import LooseNet
from app.cache.judge.model import LOOSE, MODEL_FILE, JudgeModel, probability_of, stack_trees
from app.cache.judge.seen import see
from tests.unit.cache_judge.fakes import WordEmbedder
from tests.unit.cache_judge.test_aligned import small_aligned, token_pair

STUMP = [(0, 0.5, 1, 2, 0.0), (-1, 0.0, 0, 0, -1.0), (-1, 0.0, 0, 0, 2.0)]
DEEP = [(1, 0.0, 1, 2, 0.0), (-1, 0, 0, 0, 0.25), (0, 2.0, 3, 4, 0.0), (-1, 0, 0, 0, 0.5), (-1, 0, 0, 0, 8.0)]


def small_model() -> JudgeModel:
    net = LooseNet(*(np.zeros(shape, dtype=np.float32) for shape in ((2, 4, 3), (2, 3), (2, 7), (2,))))
    trees = stack_trees([STUMP, DEEP])
    return JudgeModel(("x", LOOSE), trees, net, small_aligned(), -0.5, 2.0, 1.5, 0.1, 0.7, {"groups": 3})


@pytest.mark.parametrize(("x", "y", "total"), [(0, -1, -0.75), (0.5, 1, -0.5), (1, 1, 2.5), (3, 1, 10.0), (3, 0, 2.25)])
def test_trees_sum_the_leaves_that_a_row_reaches(x: float, y: float, total: float) -> None:
    assert stack_trees([STUMP, DEEP]).sum(np.array([x, y], dtype=np.float32)) == total


def test_a_saved_model_gives_the_same_probabilities(tmp_path: Path) -> None:
    model = small_model()
    model.save(tmp_path / "model.npz")
    loaded = JudgeModel.load(tmp_path / "model.npz")
    for x in (0.0, 0.7, 5.0):
        compared = Compared({"x": x}, np.ones((2, 4), dtype=np.float32), token_pair())
        assert loaded.probability(compared) == model.probability(compared)
    assert (loaded.min_score, dict(loaded.card)) == (0.7, {"groups": 3})


def test_the_trees_and_the_network_over_tokens_both_count() -> None:
    model, pair = small_model(), token_pair()
    row, loose = np.zeros(2, dtype=np.float32), np.ones((2, 4), dtype=np.float32)
    aligned = model.aligned.score(pair)
    assert model.logit(row, aligned) == pytest.approx(2.0 * (-0.5 - 0.75) + 1.5 * aligned + 0.1)
    assert model.probability(Compared({"x": 0}, loose, pair)) == probability_of(model.logit(row, aligned))
    assert [probability_of(logit) for logit in (-1e9, 0, 1e9)] == [pytest.approx(0), 0.5, pytest.approx(1)]


def test_a_model_of_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.cache.judge.model.FORMAT", 99)
    small_model().save(tmp_path / "model.npz")
    monkeypatch.undo()
    with pytest.raises(ValueError, match="format 99"):
        JudgeModel.load(tmp_path / "model.npz")


def test_the_shipped_model_fits_the_shipped_features() -> None:
    embedder = WordEmbedder()
    a, b = (see(text, embedder.token_vectors(text)) for text in ("How tall is Everest?", "Height of Everest"))
    assert set(JudgeModel.load().names) <= {*compare(a, b, 0.5).features, LOOSE}  # the contrasts look at more


def test_the_shipped_files_are_small() -> None:
    assert sum(path.stat().st_size for path in MODEL_FILE.parent.iterdir() if path.is_file()) < 2_000_000


def test_a_model_of_other_features_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    model = JudgeModel.load()
    replace(model, names=("unheard_of", *model.names[1:])).save(tmp_path / "model.npz")
    with pytest.raises(ValueError, match="train it again"):
        load_judge(WordEmbedder(), tmp_path / "model.npz")
