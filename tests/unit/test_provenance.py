"""Model revisions: a change to anything that the answers depend on changes them."""

import os
from pathlib import Path
from typing import Any

import pytest

from app.config import ConfigError
from app.config.files import PROJECT
from app.provenance import model_revisions, with_revisions
from tests.unit.bench import stack_config


def revision(home: Path, **model: Any) -> str:
    config = stack_config(home, models=[{"id": "m", "source": "./models/x", **model}])
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


def test_with_a_revision_the_files_need_not_be_here_and_are_not_asked(home: Path) -> None:
    elsewhere = "/weights/that/only/gpu/machines/have"
    first = revision(home, source=elsewhere, revision="2026-11-01")

    assert revision(home, source=elsewhere, revision="2026-11-01") == first
    assert revision(home, source=elsewhere, revision="2026-11-02") != first
    assert revision(home, source=f"{elsewhere}/2", revision="2026-11-01") != first
    named = revision(home, revision="1")
    (home / "models" / "x" / "model.safetensors").write_bytes(b"other weights")
    assert revision(home, revision="1") == named


def test_weights_that_cannot_be_seen_from_here_have_to_be_named(home: Path) -> None:
    config = stack_config(home, models=[{"id": "m", "source": "./models/gone"}, {"id": "n", "source": "/gone"}])

    with pytest.raises(ConfigError) as refused:
        with_revisions(config)

    assert len(refused.value.problems) == 2
    assert f"models[0].source: there is no directory {home}/models/gone on this machine" in str(refused.value)
    assert "models[1].revision" in str(refused.value)


def test_whoever_gets_the_named_configuration_gets_the_same_revisions(home: Path) -> None:
    """An ingress on a machine without the files, or with copies of another age."""
    config = stack_config(home, models=[{"id": "m", "source": "./models/x"}, {"id": "n", "source": "org/n"}])
    named = with_revisions(config)
    revisions = model_revisions(named)

    assert revisions == model_revisions(config)
    (home / "models" / "x" / "model.safetensors").unlink()
    assert model_revisions(named) == revisions != model_revisions(config)
    assert named.model("n").revision is None
    assert type(config).model_validate(named.model_dump()) == named
