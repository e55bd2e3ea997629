"""Streams and leavers on real sockets, closed by the client in the middle of it."""

import json
import logging
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.unit.bench import API_KEY, Bench
from tests.unit.wire import AUTHORIZED, CHAT, served

STREAM: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi there."}], "stream": True}
# Not written in one piece, as a traceback shows lines of source.
PRIVATE = " ".join(["engine", "says:", "private"])


@pytest.fixture
def url(bench: Bench) -> Iterator[str]:
    with served(bench) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers=AUTHORIZED, timeout=5) as client:
        yield client


def settled(bench: Bench) -> list[int]:
    """Statuses, once there is one."""
    deadline = time.monotonic() + 1
    while not bench.recorder.events and time.monotonic() < deadline:
        time.sleep(0.005)
    return [event.status for event in bench.recorder.events]


def test_the_first_tokens_arrive_while_the_rest_is_not_made_yet(bench: Bench, client: httpx.Client) -> None:
    bench.model.hangs_at = 2
    with client.stream("POST", CHAT, json=STREAM) as response:
        lines = response.iter_lines()
        seen = [json.loads(next(line for line in lines if line).removeprefix("data: ")) for _ in range(2)]
    assert seen[1]["choices"][0]["delta"]["content"] == "Hello"


def test_a_client_that_leaves_in_mid_stream_ends_the_generation_within_a_second(
    bench: Bench, client: httpx.Client
) -> None:
    bench.model.hangs_at = 2
    with client.stream("POST", CHAT, json=STREAM) as response:
        next(response.iter_lines())
    assert bench.model.closed.wait(1)
    assert settled(bench) == [499]


def test_a_client_that_leaves_before_an_answer_ends_the_generation_within_a_second(bench: Bench, url: str) -> None:
    bench.model.hangs_at = 0
    body = json.dumps({**STREAM, "stream": False}).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {API_KEY}\r\ncontent-length: {len(body)}\r\n\r\n"
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port or 0)) as connection:
        connection.sendall(head.encode() + body)
        assert bench.model.hanging.wait(5)
    assert bench.model.closed.wait(1)
    assert settled(bench) == [499]


def test_a_bug_in_mid_stream_is_an_event_without_internals_and_its_words_stay_out_of_the_log(
    bench: Bench, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    bench.model.fails_at, bench.model.error = 2, RuntimeError(PRIVATE)
    with caplog.at_level(logging.DEBUG):
        response = client.post(CHAT, json=STREAM)
    last = json.loads(response.text.strip().split("\n\n")[-1].removeprefix("data: "))
    assert last["error"]["code"] == "internal_error"
    assert "[DONE]" not in response.text
    assert "engine says" not in response.text
    assert "a stream failed: RuntimeError" in caplog.text
    assert PRIVATE not in caplog.text
    assert settled(bench) == [500]


def test_a_body_in_chunks_over_the_limit_is_refused_before_it_has_ended(bench: Bench, url: str) -> None:
    where = urlsplit(url)
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {API_KEY}\r\ntransfer-encoding: chunked\r\n\r\n"
    with socket.create_connection((where.hostname, where.port or 0), timeout=5) as connection:
        connection.sendall(head.encode())
        for _ in range(11):
            connection.sendall(b"%x\r\n%s\r\n" % (100_000, b"x" * 100_000))
        answer = connection.recv(4096)  # and the chunk that ends a body was never sent
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert bench.model.bodies == []


def test_a_finished_stream_leaves_the_connection_for_the_next_request(bench: Bench, client: httpx.Client) -> None:
    for _ in range(3):
        assert client.post(CHAT, json=STREAM).text.endswith("data: [DONE]\n\n")
    assert [event.status for event in bench.recorder.events] == [200] * 3
