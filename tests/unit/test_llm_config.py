"""What Ray Serve LLM is told of a model's weights."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.serve.llm import LLMConfig

from app.config import StackConfig
from deployments.model import ModelServer, NothingToDownload, llm_config


def told(home: Path, **model: Any) -> LLMConfig:
    stack = StackConfig.model_validate({"home": home, "models": [{"id": "m", "device": "cpu", **model}]})
    return llm_config(stack, stack.models[0])


@pytest.mark.parametrize("is_here", [True, False])
def test_a_directory_is_one_whether_it_is_on_this_machine_or_not(tmp_path: Path, is_here: bool) -> None:
    """The head need not have what GPU machines have. A relative path would be taken for a hub id there."""
    if is_here:
        (tmp_path / "weights").mkdir()

    config = told(tmp_path, source="./weights", revision="1")

    assert config.model_loading_config.model_source == str(tmp_path / "weights")
    assert config.callback_config.callback_class is NothingToDownload


def test_another_tokenizer_reaches_the_engine(tmp_path: Path) -> None:
    config = told(tmp_path, source="org/m", tokenizer="org/words")

    assert config.get_engine_config().get_initialization_kwargs()["tokenizer"] == "org/words"
    assert "tokenizer" not in told(tmp_path, source="org/m").engine_kwargs


@pytest.mark.parametrize(
    ("model", "bundles"),
    [
        ({"device": "cpu"}, [{"CPU": 1, "GPU": 0}]),
        ({"device": "cpu", "cpus": 3}, [{"CPU": 3, "GPU": 0}]),
        ({"device": "gpu"}, [{"CPU": 0, "GPU": 1}]),
        ({"device": "gpu", "cpus": 3}, [{"CPU": 3, "GPU": 1}]),
        (
            {"device": "gpu", "cpus": 3, "engine": {"tensor_parallel_size": 2}},
            [{"CPU": 3, "GPU": 1}, {"GPU": 1}],
        ),
        ({"device": "gpu", "cpus": 3, "placement": {"bundles": [{"GPU": 1, "CPU": 2}]}}, [{"CPU": 2, "GPU": 1}]),
    ],
)
def test_a_replica_reserves_the_cpus_that_are_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: dict[str, Any], bundles: list[dict[str, float]]
) -> None:
    # Ray asks it what runs already.
    monkeypatch.setattr("ray.get_runtime_context", lambda: SimpleNamespace(runtime_env={}))

    options = ModelServer.get_deployment_options(told(tmp_path, source="org/m", **model))

    assert options["placement_group_bundles"] == bundles


def test_a_hub_id_is_handed_on_and_downloaded(tmp_path: Path) -> None:
    config = told(tmp_path, source="org/m")

    assert config.model_loading_config.model_source == "org/m"
    assert config.callback_config.callback_class is not NothingToDownload
