"""What is measured: servers that answer OpenAI's chat completions with the provider's answer."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from benchmarks.errors import BenchmarkFailed
from benchmarks.gateway.provider import ANSWER

CHAT = "/v1/chat/completions"
_START_S = 180.0
_LOOK_S = 0.25
_REQUEST_S = 10.0
_SHOWN_CHARACTERS = 300


@dataclass(frozen=True)
class Target:
    """A server under test."""

    name: str
    url: str  # of chat completions
    model: str
    headers: Mapping[str, str]
    processes: tuple[int, ...]  # roots of the process trees that do its work; none: its CPU time is unknown
    features: str  # what it does for each request, in words


def wait_for_answer(target: Target) -> None:
    """Wait until the target gives the provider's answer. Raises BenchmarkFailed."""
    body = {"model": target.model, "messages": [{"role": "user", "content": "Are you there?"}], "max_tokens": 64}
    deadline = time.monotonic() + _START_S
    last = "no connection"
    while time.monotonic() < deadline:
        try:
            response = httpx.post(target.url, json=body, headers=dict(target.headers), timeout=_REQUEST_S)
            if response.status_code == 200 and ANSWER in response.text:
                return
            last = f"{response.status_code} {response.text[:_SHOWN_CHARACTERS]}"
            if response.status_code in {400, 401, 403, 404, 422}:
                break  # waiting does not mend these
        except httpx.HTTPError as error:
            last = str(error)
        time.sleep(_LOOK_S)
    raise BenchmarkFailed(f"{target.name} does not give the provider's answer: {last}")
