"""The stack under test: started as `make serve` starts it, in a state directory of its own."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from benchmarks.cache.peers import CHAT
from benchmarks.gateway.targets import BenchmarkFailed, Target, free_port
from deployments.processes import Child, Supervisor

CONFIG = Path(__file__).with_name("stack.yaml")
DOCUMENT = Path(__file__).parents[1] / "README.md"  # the knowledge base wants one
_START_S = 300.0
_STOP_S = 60.0
_FEATURES = "virtual key, limits, budgets, ledger, guard, exact and semantic cache, tracing"
# Counted for each request, never reached.
_LIMITS = ("--rpm", "10000000", "--tpm", "1000000000", "--concurrent", "1000", "--budget", "100000/month")


@dataclass(frozen=True)
class Stack:
    """A running stack with a no-op beside it."""

    child: Child
    home: Path
    url: str

    def target(self, tenant: str) -> Target:
        """The stack as a tenant of its own sees it, with a new key. Raises BenchmarkFailed."""
        program = Path(sys.executable).with_name("sextant")
        command = [str(program), "keys", "create", "--tenant", tenant, *_LIMITS, "--json"]
        environment = {**os.environ, "SEXTANT_HOME": str(self.home)}
        made = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if made.returncode:
            raise BenchmarkFailed(f"no key for {tenant}: {made.stderr[-500:] or made.stdout[-500:]}")
        return replace(self.shown(), headers={"authorization": f"Bearer {json.loads(made.stdout)['key']}"})

    def shown(self) -> Target:
        """The stack as a report names it, without a key."""
        return Target("sextant", self.url + CHAT, "bench", {}, (self.child.process.pid,), _FEATURES)

    def noop(self) -> Target:
        """The no-op. Its processes are the stack's."""
        features = "a Serve ingress (FastAPI) with a fixed answer, in the stack's Serve instance, behind its proxy"
        return Target("no-op", f"{self.url}/noop{CHAT}", "bench", {}, (self.child.process.pid,), features)

    def stop(self) -> None:
        """End it, and wait for that."""
        self.child.process.terminate()
        self.child.process.wait(timeout=_STOP_S)


def start_stack(supervisor: Supervisor, home: Path, models: Path, provider_url: str) -> Stack:
    """Start it and wait until it is ready. Raises BenchmarkFailed."""
    home.mkdir()
    (home / "models").symlink_to(models)
    config = home / "bench.yaml"
    content = yaml.safe_load(CONFIG.read_text())
    content["applications"][0]["args"]["providers"]["bench"]["base_url"] = f"{provider_url}/v1"
    config.write_text(yaml.safe_dump(content))
    environment = {**os.environ, "SEXTANT_HOME": str(home), "SEXTANT_PORT": str(free_port())}
    environment.pop("SEXTANT_API_KEY", None)
    command = [sys.executable, "-m", "deployments.laptop", "--no-usual-ports", "--config", str(config)]
    child = supervisor.start("sextant", [*command, "--docs", str(DOCUMENT)], environment, essential=True)
    ready, deadline = home / "run" / "stack.json", time.monotonic() + _START_S
    while not ready.exists():
        if child.process.poll() is not None:
            raise BenchmarkFailed(f"sextant {child.last_words()}")
        if time.monotonic() > deadline:
            raise BenchmarkFailed(f"sextant was not up after {_START_S:.0f} s:\n{child.tail()}")
        time.sleep(0.25)
    return Stack(child, home, str(json.loads(ready.read_text())["base_url"]).removesuffix("/v1"))
