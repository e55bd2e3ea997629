"""The servers that a benchmark starts: peers, and Sextant's stack."""

import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks.errors import BenchmarkFailed
from deployments.processes import Child, Supervisor, adopt_orphans

_DOCUMENT = Path(__file__).with_name("README.md")  # the knowledge base wants one
_START_S = 180.0
_STACK_START_S = 300.0
_STACK_STOP_S = 60.0
_LOOK_S = 0.25
_REQUEST_S = 10.0
_SHOWN_CHARACTERS = 300


@contextmanager
def supervised() -> Iterator[Supervisor]:
    """For a run: `logs` is a temporary directory, for other files too; all that was started is ended afterwards."""
    adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="sextant-bench-") as directory:
        supervisor = Supervisor(Path(directory))
        try:
            yield supervisor
        finally:
            supervisor.stop_all()


@contextmanager
def fallen_named(supervisor: Supervisor) -> Iterator[None]:
    """Where a run fails because a server has ended, the error says so.

    Enter it last: if a stack were stopped on the way out before this, the stack would be named.
    """
    try:
        yield
    except BenchmarkFailed as error:
        if fallen := supervisor.fallen():
            raise BenchmarkFailed(f"{error}\n{fallen.name} {fallen.last_words()}") from error
        raise


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(url: str, server: Child) -> None:
    """Wait until a GET of the URL is a 200. Raises BenchmarkFailed, at once when the server has ended."""
    deadline = time.monotonic() + _START_S
    last = "no connection"
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise BenchmarkFailed(f"{server.name} {server.last_words()}")
        try:
            response = httpx.get(url, timeout=_REQUEST_S)
            if response.status_code == 200:
                return
            last = f"{response.status_code} {response.text[:_SHOWN_CHARACTERS]}"
        except httpx.HTTPError as error:
            last = str(error)
        time.sleep(_LOOK_S)
    raise BenchmarkFailed(f"{server.name} did not answer at {url} within {_START_S:.0f} s: {last}")


def peer_program(environment: Path, name: str) -> str:
    """A program of the peers' virtual environment. Raises BenchmarkFailed."""
    path = environment / "bin" / name
    if not path.exists():
        raise BenchmarkFailed(
            f"{path} is missing: python -m venv {environment} && "
            f"{environment}/bin/pip install -r benchmarks/requirements.txt"
        )
    return str(path)


@dataclass(frozen=True)
class StackProcess:
    """Sextant's stack, which may not be ready yet."""

    child: Child
    home: Path  # its state
    environment: Mapping[str, str]

    def wait(self) -> dict[str, Any]:
        """Wait until it is ready; its run/stack.json. Raises BenchmarkFailed, at once when it has ended."""
        ready, deadline = self.home / "run" / "stack.json", time.monotonic() + _STACK_START_S
        # Ingestion may go on beside the ready stack, and would be measured with it.
        while not ready.exists() or json.loads(ready.read_text())["knowledge_base"] == "ingesting":
            if self.child.process.poll() is not None:
                raise BenchmarkFailed(f"{self.child.name} {self.child.last_words()}")
            if time.monotonic() > deadline:
                raise BenchmarkFailed(
                    f"{self.child.name} was not up after {_STACK_START_S:.0f} s:\n{self.child.tail()}"
                )
            time.sleep(_LOOK_S)
        facts: dict[str, Any] = json.loads(ready.read_text())
        if facts["knowledge_base"] == "failed":
            raise BenchmarkFailed(f"{self.child.name} has no documents:\n{self.child.tail()}")
        return facts

    def stop(self) -> None:
        """End it in its own way, and wait for that."""
        self.child.process.terminate()
        self.child.process.wait(timeout=_STACK_STOP_S)


def start_stack(
    supervisor: Supervisor, name: str, home: Path, models: Path, configuration: Mapping[str, Any]
) -> StackProcess:
    """Start a stack as `make serve` does. `home` is made; `models` are those that have been fetched already."""
    home.mkdir()
    (home / "models").symlink_to(models)
    config = home / "bench.yaml"
    config.write_text(yaml.safe_dump(configuration))
    environment = {**os.environ, "SEXTANT_HOME": str(home), "SEXTANT_PORT": str(free_port())}
    environment.pop("SEXTANT_API_KEY", None)
    command = [sys.executable, "-m", "deployments.laptop", "--no-usual-ports", "--config", str(config)]
    child = supervisor.start(name, [*command, "--docs", str(_DOCUMENT)], environment, essential=True)
    return StackProcess(child, home, environment)
