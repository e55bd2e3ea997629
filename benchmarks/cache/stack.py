"""The stack under test, with a no-op beside it."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from app.evals.cache_judge.groups import HALF_MODEL
from benchmarks import servers
from benchmarks.errors import BenchmarkFailed
from benchmarks.gateway.targets import CHAT, Target
from deployments.processes import Supervisor

CONFIG = Path(__file__).with_name("stack.yaml")
_FEATURES = "virtual key, limits, budgets, ledger, guard, exact and semantic cache, tracing"
# Counted for each request, never reached.
_LIMITS = ("--rpm", "10000000", "--tpm", "1000000000", "--concurrent", "1000", "--budget", "100000/month")


@dataclass(frozen=True)
class Stack:
    """A running stack with a no-op beside it."""

    process: servers.StackProcess
    url: str

    def target(self, tenant: str) -> Target:
        """The stack as a tenant of its own sees it, with a new key. Raises BenchmarkFailed."""
        program = Path(sys.executable).with_name("sextant")
        command = [str(program), "keys", "create", "--tenant", tenant, *_LIMITS, "--json"]
        made = subprocess.run(command, env=self.process.environment, capture_output=True, text=True, check=False)
        if made.returncode:
            raise BenchmarkFailed(f"no key for {tenant}: {made.stderr[-500:] or made.stdout[-500:]}")
        return replace(self.shown(), headers={"authorization": f"Bearer {json.loads(made.stdout)['key']}"})

    def shown(self) -> Target:
        """The stack as a report names it, without a key."""
        return Target("sextant", self.url + CHAT, "bench", {}, self._roots, _FEATURES)

    def noop(self) -> Target:
        """The no-op. Its processes are the stack's."""
        features = "a Serve ingress (FastAPI) with a fixed answer, in the stack's Serve instance, behind its proxy"
        return Target("no-op", f"{self.url}/noop{CHAT}", "bench", {}, self._roots, features)

    def stop(self) -> None:
        """End it, and wait for that."""
        self.process.stop()

    @property
    def _roots(self) -> tuple[int, ...]:
        return (self.process.child.process.pid,)


def start_stack(supervisor: Supervisor, home: Path, models: Path, provider_url: str) -> Stack:
    """Start it and wait until it is ready. Raises BenchmarkFailed."""
    configuration = yaml.safe_load(CONFIG.read_text())
    configuration["applications"][0]["args"]["providers"]["bench"]["base_url"] = f"{provider_url}/v1"
    # The shipped judge has seen the questions that it would be measured on.
    configuration["applications"][0]["args"]["cache"]["semantic"]["judge"] = str(HALF_MODEL)
    process = servers.start_stack(supervisor, "sextant", home, models, configuration)
    return Stack(process, str(process.wait()["base_url"]).removesuffix("/v1"))
