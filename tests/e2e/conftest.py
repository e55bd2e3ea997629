"""The real stack, started once as a person would start it, and asked by the real client."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from app.config import default_home
from app.config.files import PROJECT

START_TIMEOUT_S = 300


@dataclass(frozen=True)
class Stack:
    """A running stack."""

    home: Path
    facts: dict[str, Any]  # run/stack.json
    api_key: str
    output: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return str(self.facts["base_url"]).removesuffix("/v1")

    def client(self, **options: Any) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.facts["base_url"], api_key=self.api_key, max_retries=0, **options)

    def http(self, **options: Any) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.api_key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, **options)

    def environment(self) -> dict[str, str]:
        """What a command needs to talk to this stack's Ray."""
        return {
            **os.environ,
            "SEXTANT_HOME": str(self.home),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.home / "ray_token"),
        }

    def job(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Submit a job and wait for its end."""
        command = [sys.executable, "-m", "deployments.submit", module, *arguments]
        return subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, timeout=300, check=False, cwd=PROJECT
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_stack(home: Path, *arguments: str) -> Stack:
    """What `make serve` runs, with a state directory of its own and the models of the usual one."""
    home.mkdir(parents=True, exist_ok=True)
    models = default_home() / "models"
    assert models.is_dir(), "no models: run `make setup`"
    if not (home / "models").exists():
        (home / "models").symlink_to(models)
    output = home / "output.log"
    environment = {**os.environ, "SEXTANT_HOME": str(home), "SEXTANT_PORT": str(free_port())}
    environment.pop("SEXTANT_API_KEY", None)
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "deployments.laptop", "--no-usual-ports", *arguments],
            env=environment,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=PROJECT,
        )
    ready = home / "run" / "stack.json"
    deadline = time.monotonic() + START_TIMEOUT_S
    # The gateway is ready before all documents are in.
    while not ready.exists() or (facts := json.loads(ready.read_text()))["knowledge_base"] == "ingesting":
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"the stack did not start:\n{output.read_text()}")
        time.sleep(0.2)
    if facts["knowledge_base"] != "ready":
        process.terminate()
        process.wait(timeout=60)
        pytest.fail(f"no documents in the stack:\n{output.read_text()}")
    key = (home / "api_key").read_text().strip()
    return Stack(home, facts, key, output, process)


def stop_stack(stack: Stack) -> None:
    stack.process.send_signal(signal.SIGTERM)
    stack.process.wait(timeout=60)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = start_stack(tmp_path_factory.mktemp("stack"))
    yield running
    stop_stack(running)


@pytest.fixture
def client(stack: Stack) -> openai.OpenAI:
    return stack.client()
