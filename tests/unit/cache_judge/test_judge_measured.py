"""The job: what it measures is what it records as measured, and never what has trained the judge."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner, Result

from app.cache.judge.model import MODEL_FILE, JudgeModel
from app.config.files import PROJECT
from app.evals.cache_judge.curve import curve_of
from app.evals.cache_judge.groups import DEFAULT_GROUPS, HALF_MODEL, load_groups
from app.evals.cache_judge.table import Table
from jobs import train_cache_judge
from jobs.judge.fit import Fitted
from tests.unit.cache_judge.fakes import WordEmbedder

GROUPS = 24
CONFIG = """
applications:
  - args:
      home: {home}
      models: [{{id: chat, source: models/chat}}]
"""
Run = Callable[..., Result]


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    folder = tmp_path / "groups"
    folder.mkdir()
    part = min((PROJECT / DEFAULT_GROUPS).glob("*.jsonl"))
    with part.open(encoding="utf-8") as lines:
        (folder / part.name).write_text("".join(islice(lines, GROUPS)), encoding="utf-8")
    return folder


@pytest.fixture
def run(groups: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The job on a few groups, with an embedder that needs no model."""
    monkeypatch.setenv("SEXTANT_SECRET", "x")
    monkeypatch.chdir(tmp_path)  # MLflow puts the artifacts of a SQLite store into the working directory
    monkeypatch.setattr(train_cache_judge, "open_embedder", lambda _: WordEmbedder())
    (tmp_path / "serve.yaml").write_text(CONFIG.format(home=tmp_path))
    given = ("--config", "serve.yaml", "--groups", str(groups), "--mlflow-url", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return lambda *arguments: CliRunner().invoke(train_cache_judge.app, [*given, *arguments], env={"COLUMNS": "200"})


def taught(folder: Path) -> int:
    return sum(group.is_for_training for group in load_groups(folder))


def saved(path: Path, groups: int) -> Path:
    model = JudgeModel.load()
    replace(model, card={**model.card, "groups": groups}).save(path)
    return path


def recorded(folder: Path) -> tuple[dict[str, str], set[str]]:
    """Parameters, and the files of the models."""
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("sextant-cache-judge")
    assert experiment is not None
    (made,) = client.search_runs([experiment.experiment_id])
    files = {
        file.path for part in ("measured", "shipped", "model") for file in client.list_artifacts(made.info.run_id, part)
    }
    return dict(made.data.params), files


def test_measuring_trains_nothing(run: Run, groups: Path, tmp_path: Path) -> None:
    before = [path.stat().st_mtime_ns for path in (MODEL_FILE, HALF_MODEL)]
    half = saved(tmp_path / "half.npz", taught(groups))

    said = run("--measure", "--half-out", str(half))

    assert said.exit_code == 0, said.output
    assert "Test half:" in said.output
    assert "shipped" in said.output
    assert "cross-validation" not in said.output
    assert [path.stat().st_mtime_ns for path in (MODEL_FILE, HALF_MODEL)] == before
    params, files = recorded(tmp_path)
    assert (params["measured_groups"], params["measured_file"]) == (str(taught(groups)), str(half))
    assert not any(name.startswith("shipped_") for name in params)
    assert files == {"measured/half.npz"}


def test_a_judge_that_may_have_seen_the_test_half_is_not_measured_on_it(run: Run, groups: Path, tmp_path: Path) -> None:
    said = run("--measure", "--no-record", "--half-out", str(saved(tmp_path / "all.npz", GROUPS)))

    assert said.exit_code == 2
    assert f"was trained on {GROUPS} groups and the training half has {taught(groups)}" in said.stderr
    assert "without --measure" in said.stderr


def old(path: Path) -> None:
    with np.load(HALF_MODEL) as arrays:
        parts = dict(arrays)
    head = json.loads(parts["head"].tobytes()) | {"format": 1}
    np.savez(path, **{**parts, "head": np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)})


@pytest.mark.parametrize(
    "make",
    [
        lambda path: None,
        old,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(HALF_MODEL.read_bytes()[:1000]),
        lambda path: np.savez(path, other=np.zeros(3)),
    ],
    ids=["missing", "old", "empty", "cut off", "another"],
)
def test_a_judge_that_cannot_be_read_is_told_in_a_sentence(
    run: Run, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    make(tmp_path / "half.npz")

    said = run("--measure", "--no-record", "--half-out", str(tmp_path / "half.npz"))

    assert said.exit_code == 2, said.output
    assert "no judge that this code can read" in said.stderr


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Training that gives the shipped model at once, with a threshold that tells which one it is."""
    pairs: list[int] = []

    def fit(table: Table, _: float) -> Fitted:
        pairs.append(len(table.pairs))
        scores = table.column("cosine").astype(np.float64)
        curve = curve_of(scores, table.same, np.array([pair.kind for pair in table.pairs]))
        return Fitted(replace(JudgeModel.load(), min_score=0.5 + len(pairs) / 10), scores, curve)

    monkeypatch.setattr(train_cache_judge, "fit", fit)
    return pairs


def test_what_is_recorded_of_the_measured_judge_and_of_the_one_that_ships_is_told_apart(
    run: Run, groups: Path, tmp_path: Path, fitted: list[int]
) -> None:
    out, half = tmp_path / "new" / "model.npz", tmp_path / "new" / "half.npz"

    said = run("--rounds", "0", "--out", str(out), "--half-out", str(half))

    assert said.exit_code == 0, said.output
    params, files = recorded(tmp_path)
    assert files == {"measured/half.npz", "shipped/model.npz"}
    for role, file, known, pairs, min_score in (
        ("measured", half, taught(groups), fitted[0], 0.6),
        ("shipped", out, GROUPS, fitted[1], 0.7),
    ):
        assert params[f"{role}_file"] == str(file)
        assert params[f"{role}_groups"] == str(known)
        assert params[f"{role}_pairs"] == str(pairs)
        assert float(params[f"{role}_min_score"]) == JudgeModel.load(file).min_score == pytest.approx(min_score)
    assert {"groups", "pairs", "min_score"}.isdisjoint(params)
    assert sorted(path.name for path in out.parent.iterdir()) == ["half.npz", "model.npz"]


def test_a_save_that_is_interrupted_leaves_the_judge_before(
    run: Run, tmp_path: Path, fitted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    half = saved(tmp_path / "half.npz", 1)
    before = half.read_bytes()

    def full(self: JudgeModel, path: Path) -> NoReturn:
        path.write_bytes(b"PK half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(JudgeModel, "save", full)
    said = run("--rounds", "0", "--no-record", "--out", str(tmp_path / "model.npz"), "--half-out", str(half))

    assert said.exit_code == 2
    assert "No space left on device" in said.stderr
    assert half.read_bytes() == before
