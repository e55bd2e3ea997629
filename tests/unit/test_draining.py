"""Scaling down and deploying let what has begun come to its end: a replica is killed after its longest request."""

from pathlib import Path
from typing import Any

import pytest
from ray.serve import Application

from app.config import StackConfig
from deployments import draining
from deployments.application import build_app
from deployments.handles import PATIENCE_S
from deployments.model import llm_config
from deployments.plan import SERVE_ENV, read_env_file

MODEL = {"id": "m", "source": "org/m", "device": "cpu"}
HOSTED = {"providers": {"p": {"preset": "openai"}}, "hosted": [{"id": "h", "provider": "p"}]}
STILL_REACHABLE_S = 30  # an ingress is sent requests for so long after it was told to go


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SEXTANT_API_KEY", "SEXTANT_ADMIN_KEY", "SEXTANT_SECRET"):
        monkeypatch.setenv(name, f"{name} of a test stack")
    return tmp_path


def patience_s(home: Path, **sections: Any) -> dict[str, float]:
    """`graceful_shutdown_timeout_s` of each deployment but models."""
    application = build_app(StackConfig.model_validate({**HOSTED, "home": home, **sections}))
    ingress = application._bound_deployment
    bound = [part for part in ingress.init_args if isinstance(part, Application)]
    return {
        deployment.name: deployment._deployment_config.graceful_shutdown_timeout_s
        for deployment in [ingress, *(part._bound_deployment for part in bound)]
    }


@pytest.mark.parametrize("timeout_s", [300, 900])
def test_a_model_may_finish_the_longest_generation(timeout_s: float) -> None:
    stack = StackConfig.model_validate({"models": [MODEL], "gateway": {"request_timeout_s": timeout_s}})
    options: dict[str, Any] = llm_config(stack, stack.models[0]).deployment_config
    assert options["graceful_shutdown_timeout_s"] > timeout_s


@pytest.mark.parametrize("timeout_s", [300, 900])
def test_so_may_who_hands_it_on_and_who_embeds(home: Path, timeout_s: float) -> None:
    found = patience_s(home, gateway={"request_timeout_s": timeout_s, "body_timeout_s": 20})
    assert found["Ingress"] > timeout_s + 20 + STILL_REACHABLE_S
    assert found["Cache"] > timeout_s


def test_an_upload_may_arrive_at_an_ingress_that_is_to_go(home: Path) -> None:
    found = patience_s(home, batches={"upload_timeout_s": 900})
    assert found["Ingress"] > 900 + STILL_REACHABLE_S
    assert found["Cache"] < 900


def test_the_others_have_deadlines_of_their_own(home: Path) -> None:
    found = patience_s(home, guard={"timeout_ms": 40_000}, retrieval={"timeout_ms": 90_000})
    assert 40 < found["Guard"] < 60
    assert 90 < found["Retriever"] < 110
    assert patience_s(home)["Retriever"] > PATIENCE_S


def test_nor_does_haproxy_cut_them_when_replicas_change() -> None:
    """It is started anew then, and the one before breaks what is left after this long."""
    hard_stop_s = float(read_env_file(SERVE_ENV)["RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S"])
    stack = StackConfig.model_validate(HOSTED)
    assert hard_stop_s > draining.of_ingress(stack) > stack.batches.upload_timeout_s
