"""Which dependencies an ingress asks for /readyz, and which of them it cannot do without."""

from types import SimpleNamespace
from typing import Any

from app.config import StackConfig
from deployments.ingress import Ingress

CONFIG = {
    "models": [
        {"id": "awake", "source": "org/a"},
        {"id": "sleeping", "source": "org/b", "replicas": {"min": 0}},
    ],
    "providers": {"p": {"preset": "openai"}},
    "hosted": [{"id": "hosted", "provider": "p"}],
}


def test_each_model_can_stand_in_for_the_others_and_a_hosted_one_is_not_missed() -> None:
    part: Any = SimpleNamespace(ping=None)
    ingress: Any = SimpleNamespace(_mlflow_url=None, _shared=part, _accounting=SimpleNamespace(ping=None, ledger=part))
    stages: Any = SimpleNamespace(guard=None, embed=part, search=part)
    ports = dict.fromkeys(("awake", "sleeping", "hosted"), part)

    found = Ingress._dependencies(ingress, StackConfig.model_validate(CONFIG), stages, ports)

    models = {name: (each.required, each.group) for name, each in found.items() if name.startswith("model ")}
    assert models == {"model awake": (True, "models"), "model hosted": (False, "models")}
    assert all(each.group is None for name, each in found.items() if name not in models)
