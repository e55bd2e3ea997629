"""Streams on real sockets: a client that leaves frees the engine, seen in vLLM's own numbers."""

import concurrent.futures
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.config.files import PROJECT
from tests.e2e.conftest import Stack

LONG: dict[str, Any] = {
    "model": "smollm2-135m",
    "messages": [{"role": "user", "content": "Tell a very long story about a lighthouse."}],
    "max_tokens": 1800,
    "ignore_eos": True,
    "temperature": 0.7,
}


class Engine:
    """vLLM's scheduler, asked through the model deployment's handle."""

    def __init__(self, stack: Stack) -> None:
        self._errors = (stack.home / "engine_probe.log").open("a+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.engine_probe", stack.facts["ray_address"], "Model:smollm2-135m"],
            env=stack.environment(),
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            bufsize=1,
        )

    def running(self) -> int:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        # Ray and Serve print lines of their own.
        line = next((line for line in self.process.stdout if line.startswith("{")), None)
        if line is None:
            self._errors.seek(0)
            pytest.fail(f"the probe ended:\n{self._errors.read()}")
        load = json.loads(line)
        return int(load["running"] + load["waiting"])

    def wait_for(self, requests: int, within_s: float) -> float:
        """Seconds until so many requests were in the engine."""
        started = time.monotonic()
        while (found := self.running()) != requests:
            assert time.monotonic() - started < within_s, f"{found} requests in the engine after {within_s} s"
            time.sleep(0.01)
        return time.monotonic() - started


@pytest.fixture(scope="module")
def engine(stack: Stack) -> Iterator[Engine]:
    probe = Engine(stack)
    yield probe
    probe.process.kill()
    probe.process.communicate()


def test_a_client_that_leaves_a_stream_frees_the_engine(stack: Stack, engine: Engine) -> None:
    engine.wait_for(0, within_s=30)
    with stack.http() as http:
        with http.stream("POST", "/v1/chat/completions", json={**LONG, "stream": True}) as response:
            lines = response.iter_lines()
            for _ in range(10):
                next(lines)
            assert engine.running() == 1
        assert engine.wait_for(0, within_s=1.0) < 1.0


def test_a_client_that_leaves_a_whole_answer_frees_the_engine(stack: Stack, engine: Engine) -> None:
    engine.wait_for(0, within_s=30)
    failures: list[httpx.HTTPError] = []

    def ask_and_give_up() -> None:
        with stack.http() as http:
            try:
                http.post("/v1/chat/completions", json=LONG, timeout=httpx.Timeout(10, read=3))
            except httpx.ReadTimeout as error:
                failures.append(error)

    asking = threading.Thread(target=ask_and_give_up)
    asking.start()
    engine.wait_for(1, within_s=3)
    asking.join()
    assert failures, "the answer came before the client could leave"
    assert engine.wait_for(0, within_s=1.0) < 1.0


def test_many_streams_at_once_all_end(stack: Stack, engine: Engine) -> None:
    def one(number: int) -> bool:
        body = {
            "model": "chat",
            "messages": [{"role": "user", "content": f"Count from {number}."}],
            "max_tokens": 12,
            "stream": True,
        }
        with stack.http() as http, http.stream("POST", "/v1/chat/completions", json=body) as response:
            return (
                response.status_code == 200 and [line for line in response.iter_lines() if line][-1] == "data: [DONE]"
            )

    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        assert all(pool.map(one, range(24)))
    engine.wait_for(0, within_s=2.0)
