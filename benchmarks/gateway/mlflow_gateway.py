"""MLflow's AI gateway: endpoints of the tracking server (MLflow 3), one worker, on SQLite.

`mlflow gateway start` of MLflow 2 is deprecated for it. It has no keys or rate limits of its own without the
authentication app; usage tracking (a trace for each request) is its default, and budgets count from those traces.
"""

import os
import sys
from pathlib import Path
from typing import Any

import httpx

from benchmarks.errors import BenchmarkFailed
from benchmarks.gateway.targets import Target
from benchmarks.servers import free_port, wait_for
from deployments.processes import Supervisor

_API = "/api/3.0/mlflow/gateway"
_PLAIN = "no usage tracking; no keys, limits, cache or guard"
_FEATURES = "usage tracking (a trace for each request) and a budget; no keys, limits, cache or guard"


class _Admin:
    """The gateway's routes for its own set-up."""

    def __init__(self, url: str) -> None:
        self._url = url

    def create(self, things: str, **fields: Any) -> dict[str, Any]:
        """Create one of `things`. Raises BenchmarkFailed."""
        response = httpx.post(f"{self._url}{_API}/{things}/create", json=fields, timeout=30)
        if response.status_code != 200:
            raise BenchmarkFailed(f"MLflow refused {things}: {response.status_code} {response.text[:300]}")
        (created,) = response.json().values()
        return dict(created)


def start_mlflow(supervisor: Supervisor, provider_url: str, directory: Path, *, features: bool) -> Target:
    """Start a server with one endpoint and wait until it is up. Raises BenchmarkFailed."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    name = "mlflow-features" if features else "mlflow"
    home = directory / name
    home.mkdir()
    environment = {
        **os.environ,
        # The provider is on the loopback interface, without TLS.
        "MLFLOW_GATEWAY_API_BASE_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_GATEWAY_API_BASE_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_TRACKING_URI": url,
    }
    server = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", f"sqlite:///{home}/mlflow.db", "--default-artifact-root", str(home / "artifacts")]
    quiet = ["--uvicorn-opts", "--no-access-log --log-level warning"]
    child = supervisor.start(name, [*server, *stores, *quiet], environment, essential=True)
    wait_for(f"{url}/health", child)
    _create_endpoint(_Admin(url), provider_url, features=features)
    return Target(
        name=name,
        url=f"{url}/gateway/mlflow/v1/chat/completions",
        model="bench",
        headers={},
        processes=(child.process.pid,),
        features=_FEATURES if features else _PLAIN,
    )


def _create_endpoint(admin: _Admin, provider_url: str, *, features: bool) -> None:
    secret = admin.create(
        "secrets",
        secret_name="provider",  # noqa: S106 (its name)
        secret_value={"api_key": "none"},
        provider="openai",
        auth_config={"api_base": f"{provider_url}/v1"},
    )
    model = admin.create(
        "model-definitions", name="bench", secret_id=secret["secret_id"], provider="openai", model_name="bench"
    )
    primary = {"model_definition_id": model["model_definition_id"], "linkage_type": "PRIMARY", "weight": 1.0}
    endpoint = admin.create("endpoints", name="bench", model_configs=[primary], usage_tracking=features)
    if features:
        admin.create(
            "budgets",
            budget_unit="USD",
            budget_amount=1_000_000,
            duration={"unit": "DAYS", "value": 1},
            target_scope="ENDPOINT",
            target_value=endpoint["endpoint_id"],
            budget_action="REJECT",
        )
