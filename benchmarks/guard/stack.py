"""The stack under test: one, with an alias for each way through the guard."""

from dataclasses import replace
from pathlib import Path

import yaml

from benchmarks import servers
from benchmarks.cache.stack import Stack
from benchmarks.gateway.targets import Target
from deployments.processes import Supervisor

CONFIG = Path(__file__).with_name("stack.yaml")
NO_CACHE = {"sextant": {"cache": {"read": False, "write": False}}}


def start_stack(supervisor: Supervisor, home: Path, models: Path, provider_url: str) -> tuple[Stack, str]:
    """Start it and wait until it is ready: the stack, and the address of its MLflow. Raises BenchmarkFailed."""
    configuration = yaml.safe_load(CONFIG.read_text())
    configuration["applications"][0]["args"]["providers"]["bench"]["base_url"] = f"{provider_url}/v1"
    process = servers.start_stack(supervisor, "sextant", home, models, configuration)
    facts = process.wait()
    return Stack(process, str(facts["base_url"]).removesuffix("/v1")), str(facts["mlflow_url"])


def through(target: Target, alias: str) -> Target:
    """The same server, asked for this alias."""
    return replace(target, name=alias, model=alias)
