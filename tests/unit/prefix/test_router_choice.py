"""`models[].replicas.router` reaches Serve as the class that it names."""

from typing import Any

import pytest
from pydantic import ValidationError
from ray.serve.config import RequestRouterConfig
from ray.serve.experimental.round_robin_router import RoundRobinRouter

from app.config import ModelConfig, StackConfig
from deployments.model import llm_config
from deployments.prefix_router import PrefixRouter


def serve_options(**replicas: Any) -> dict[str, Any]:
    model = {"id": "m", "source": "org/m", "device": "cpu", "replicas": replicas}
    stack = StackConfig.model_validate({"models": [model]})
    options: dict[str, Any] = llm_config(stack, stack.models[0]).deployment_config
    return options


def test_serves_default_is_not_touched() -> None:
    assert "request_router_config" not in serve_options()


@pytest.mark.parametrize(("router", "expected"), [("round_robin", RoundRobinRouter), ("prefix", PrefixRouter)])
def test_the_class_can_be_shipped(router: str, expected: type) -> None:
    config = RequestRouterConfig(**serve_options(router=router)["request_router_config"])
    assert config.get_request_router_class().__name__ == expected.__name__


def test_the_settings_of_prefix_routing_are_handed_on() -> None:
    settings = {"imbalanced_threshold": 3, "match_rate_threshold": 0.5}
    assert serve_options(router="prefix", prefix=settings)["request_router_config"]["request_router_kwargs"] == settings


@pytest.mark.parametrize("replicas", [{"router": "fastest"}, {"prefix": {"match_rate_threshold": 1.5}}])
def test_what_cannot_be_right_is_refused(replicas: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ModelConfig.model_validate({"id": "m", "source": "org/m", "replicas": replicas})
