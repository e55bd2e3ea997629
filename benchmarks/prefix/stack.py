"""The stack under test, one router at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.servers import start_stack
from deployments.processes import Supervisor

CONFIG = Path(__file__).with_name("stack.yaml")


@dataclass(frozen=True)
class Stack:
    """A running stack."""

    url: str  # of chat completions
    model: str
    key: str
    environment: dict[str, str]  # what a command needs to talk to its Ray


@contextmanager
def running_stack(supervisor: Supervisor, home: Path, models: Path, router: str) -> Iterator[Stack]:
    """Start it, wait until it is ready, and end it afterwards. Raises BenchmarkFailed."""
    configuration = yaml.safe_load(CONFIG.read_text())
    (model,) = configuration["applications"][0]["args"]["models"]
    model["replicas"]["router"] = router
    process = start_stack(supervisor, f"stack-{router}", home, models, configuration)
    try:
        facts = process.wait()
        yield Stack(
            url=f"{facts['base_url']}/chat/completions",
            model=model["id"],
            key=(home / "api_key").read_text().strip(),
            environment={
                **process.environment,
                "RAY_ADDRESS": facts["ray_address"],
                "RAY_AUTH_MODE": "token",
                "RAY_AUTH_TOKEN_PATH": str(home / "ray_token"),
            },
        )
    finally:
        process.stop()
        # It is meant to have ended, and nothing essential has fallen.
        supervisor.children.remove(process.child)
