"""The stack under test: started as `make serve` starts it, in a state directory of its own."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.gateway.targets import BenchmarkFailed, free_port
from deployments.processes import Supervisor

CONFIG = Path(__file__).with_name("stack.yaml")
DOCUMENT = Path(__file__).parents[1] / "README.md"  # the knowledge base wants one
_START_S = 300.0
_STOP_S = 60.0


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
    home.mkdir()
    (home / "models").symlink_to(models)
    content = yaml.safe_load(CONFIG.read_text())
    (model,) = content["applications"][0]["args"]["models"]
    model["replicas"]["router"] = router
    config = home / "bench.yaml"
    config.write_text(yaml.safe_dump(content))
    environment = {**os.environ, "SEXTANT_HOME": str(home), "SEXTANT_PORT": str(free_port())}
    environment.pop("SEXTANT_API_KEY", None)
    command = [sys.executable, "-m", "deployments.laptop", "--no-usual-ports", "--config", str(config)]
    child = supervisor.start(f"stack-{router}", [*command, "--docs", str(DOCUMENT)], environment, essential=True)
    try:
        ready, deadline = home / "run" / "stack.json", time.monotonic() + _START_S
        while not ready.exists():
            if child.process.poll() is not None:
                raise BenchmarkFailed(f"the stack {child.last_words()}")
            if time.monotonic() > deadline:
                raise BenchmarkFailed(f"the stack was not up after {_START_S:.0f} s:\n{child.tail()}")
            time.sleep(0.25)
        facts = json.loads(ready.read_text())
        yield Stack(
            url=f"{facts['base_url']}/chat/completions",
            model=model["id"],
            key=(home / "api_key").read_text().strip(),
            environment={
                **environment,
                "RAY_ADDRESS": facts["ray_address"],
                "RAY_AUTH_MODE": "token",
                "RAY_AUTH_TOKEN_PATH": str(home / "ray_token"),
            },
        )
    finally:
        child.process.terminate()
        child.process.wait(timeout=_STOP_S)
        # It is meant to have ended, and nothing essential has fallen.
        supervisor.children.remove(child)
