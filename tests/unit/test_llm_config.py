"""What Ray Serve LLM is told of a model's weights."""

from pathlib import Path
from typing import Any

import pytest
from ray.serve.llm import LLMConfig

from app.config import StackConfig
from deployments.model import NothingToDownload, llm_config


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


def test_a_hub_id_is_handed_on_and_downloaded(tmp_path: Path) -> None:
    config = told(tmp_path, source="org/m")

    assert config.model_loading_config.model_source == "org/m"
    assert config.callback_config.callback_class is not NothingToDownload
