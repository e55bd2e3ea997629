"""Model revisions: a change to anything that the answers depend on changes them."""

import os
from pathlib import Path
from typing import Any

import pytest

from app.config.files import PROJECT
from app.provenance import model_revisions
from tests.unit.bench import stack_config


def revision(home: Path, **model: Any) -> str:
    config = stack_config(home, models=[{"id": "m", "source": "models/x", **model}])
    return model_revisions(config)["m"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "models" / "x" / "sub").mkdir(parents=True)
    (tmp_path / "models" / "x" / "model.safetensors").write_bytes(b"weights")
    return tmp_path


@pytest.mark.parametrize(
    "change",
    [{"source": "org/m"}, {"tokenizer": "org/t"}, {"engine": {"dtype": "bfloat16"}}, {"chat_template": "t.jinja"}],
)
def test_it_changes_with_each_setting_that_changes_answers(home: Path, change: dict[str, Any]) -> None:
    assert revision(home, **change) != revision(home)


@pytest.mark.parametrize("change", [{"cpus": 4}, {"replicas": {"max": 3}}, {"stream_batching_interval_ms": 5}])
def test_it_does_not_change_with_where_the_model_runs(home: Path, change: dict[str, Any]) -> None:
    assert revision(home, **change) == revision(home)


def test_it_changes_with_the_weights(home: Path) -> None:
    before, weights = revision(home), home / "models" / "x" / "model.safetensors"

    weights.write_bytes(b"other weights")
    changed = revision(home)
    os.utime(weights, (1, 1))
    touched = revision(home)
    (home / "models" / "x" / "sub" / "tokenizer.json").write_text("{}")

    assert len({before, changed, touched, revision(home)}) == 4


def test_it_changes_with_the_text_of_the_chat_template(home: Path) -> None:
    template = home / "t.jinja"  # relative ones lie in the project; an absolute path stays what it is
    template.write_text("{{ messages }}")
    before = revision(home, chat_template=str(template))
    template.write_text("{{ messages }}!")

    assert PROJECT / str(template) == template
    assert revision(home, chat_template=str(template)) != before


def test_it_is_the_same_after_a_restart(home: Path) -> None:
    assert revision(home, engine={"a": 1, "b": 2}) == revision(home, engine={"b": 2, "a": 1})
