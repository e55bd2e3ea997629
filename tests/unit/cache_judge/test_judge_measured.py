"""Measuring the judge's half again, without training."""

from itertools import islice
from pathlib import Path

from typer.testing import CliRunner

from app.cache.judge.model import MODEL_FILE
from app.evals.cache_judge.groups import DEFAULT_GROUPS, HALF_MODEL
from jobs.train_cache_judge import app

GROUPS = 24


def test_measuring_trains_nothing(tmp_path: Path) -> None:
    part = min(DEFAULT_GROUPS.glob("*.jsonl"))
    with part.open(encoding="utf-8") as lines:
        (tmp_path / part.name).write_text("".join(islice(lines, GROUPS)), encoding="utf-8")
    before = [path.stat().st_mtime_ns for path in (MODEL_FILE, HALF_MODEL)]
    said = CliRunner().invoke(app, ["--measure", "--no-record", "--groups", str(tmp_path)])
    assert said.exit_code == 0, said.output
    assert "Test half:" in said.output
    assert "shipped" in said.output
    assert "cross-validation" not in said.output
    assert [path.stat().st_mtime_ns for path in (MODEL_FILE, HALF_MODEL)] == before
