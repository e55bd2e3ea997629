"""Bad requests over the wire: the right 4xx, in the one shape, and the server lives."""

import contextlib
import json
import socket
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Stack

HELLO: list[dict[str, Any]] = [{"role": "user", "content": "hi"}]
CHAT = "/v1/chat/completions"


def chat(**fields: Any) -> bytes:
    return json.dumps({"model": "chat", "messages": HELLO, **fields}).encode()


def nested(depth: int) -> bytes:
    return b'{"model":"chat","messages":' + b"[" * depth + b"]" * depth + b"}"


MALFORMED: dict[str, tuple[str, bytes, int, str | None]] = {
    # name: route, body, status, param
    "empty body": (CHAT, b"", 400, None),
    "cut JSON": (CHAT, b'{"model": "chat", "messages"', 400, None),
    "not an object": (CHAT, b'["chat"]', 400, None),
    "invalid UTF-8": (CHAT, b'{"model": "\xff\xfe", "messages": []}', 400, None),
    "lone surrogate": (CHAT, b'{"model": "chat", "messages": [{"role": "user", "content": "\\ud800"}]}', 400, None),
    "NaN": (CHAT, b'{"model": "chat", "temperature": NaN}', 400, None),
    "10 MB body": (CHAT, chat(user="x" * 10_000_000), 413, None),
    "depth bomb": (CHAT, nested(100_000), 400, None),
    "deep but parsable": (CHAT, nested(500), 400, None),
    "no model": (CHAT, json.dumps({"messages": HELLO}).encode(), 400, "model"),
    "no messages": (CHAT, b'{"model": "chat"}', 400, "messages"),
    "empty messages": (CHAT, chat(messages=[]), 400, "messages"),
    "unknown model": (CHAT, chat(model="gpt-9"), 404, "model"),
    "embedder asked to chat": (CHAT, chat(model="all-minilm-l6-v2"), 404, "model"),
    "model that is a number": (CHAT, chat(model=5), 400, "model"),
    "unknown role": (CHAT, chat(messages=[{"role": "wizard", "content": "hi"}]), 400, "messages[0].role"),
    "content that is a number": (CHAT, chat(messages=[{"role": "user", "content": 5}]), 400, "messages[0].content"),
    "user without content": (CHAT, chat(messages=[{"role": "user"}]), 400, "messages[0]"),
    "an image": (
        CHAT,
        chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]),
        400,
        "messages[0].content[0].type",
    ),
    "negative max_tokens": (CHAT, chat(max_tokens=-1), 400, "max_tokens"),
    "max_tokens over the context": (CHAT, chat(max_tokens=100_000), 400, "max_tokens"),
    "text for a number": (CHAT, chat(temperature="hot"), 400, "temperature"),
    "temperature out of range": (CHAT, chat(temperature=9), 400, "temperature"),
    "too many choices": (CHAT, chat(n=100), 400, "n"),
    "seed over 64 bits": (CHAT, chat(seed=2**70), 400, "seed"),
    "text for a flag": (CHAT, chat(stream="yes"), 400, "stream"),
    "unknown field": (CHAT, chat(temprature=0), 400, "temprature"),
    "unknown extension field": (CHAT, chat(sextant={"retrievel": {}}), 400, "sextant.retrievel"),
    "extension out of range": (CHAT, chat(sextant={"retrieval": {"top_k": 0}}), 400, "sextant.retrieval.top_k"),
    "tool choice without tools": (CHAT, chat(tool_choice="required"), 400, None),
    "schema that is no schema": (
        CHAT,
        chat(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}),
        400,
        None,
    ),
    "stop that is an object": (CHAT, chat(stop={"a": 1}), 400, "stop"),
    "prompt that is tokens": ("/v1/completions", b'{"model": "chat", "prompt": [1, 2, 3]}', 400, "prompt[0]"),
    "no input": ("/v1/embeddings", b'{"model": "all-minilm-l6-v2"}', 400, "input"),
    "empty input": ("/v1/embeddings", b'{"model": "all-minilm-l6-v2", "input": ""}', 400, "input"),
    "chat model asked to embed": ("/v1/embeddings", b'{"model": "chat", "input": "x"}', 404, "model"),
    "dimensions it has not": (
        "/v1/embeddings",
        b'{"model": "all-minilm-l6-v2", "input": "x", "dimensions": 7}',
        400,
        "dimensions",
    ),
    "tokenize without input": ("/tokenize", b'{"model": "chat"}', 400, None),
}


def assert_error(response: httpx.Response, status: int) -> dict[str, Any]:
    """The one shape, on every route."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers.get_list("x-request-id")
    body = response.json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert "Traceback" not in response.text
    assert "site-packages" not in response.text
    return error


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_gets_its_4xx(stack: Stack, name: str) -> None:
    route, body, status, param = MALFORMED[name]
    with stack.http() as http:
        response = http.post(route, content=body, headers={"content-type": "application/json"})
        error = assert_error(response, status)
        assert error["param"] == param
        assert http.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Basic abc"}, 401),
        ({"authorization": "Bearer"}, 401),
    ],
)
def test_without_a_valid_key_nothing_is_read(stack: Stack, headers: dict[str, str], status: int) -> None:
    with httpx.Client(base_url=stack.url, timeout=30) as http:
        for response in (http.post(CHAT, content=b"{", headers=headers), http.get("/v1/models", headers=headers)):
            assert assert_error(response, status)["code"] == "invalid_api_key"


def test_wrong_routes_methods_and_media_types(stack: Stack) -> None:
    with stack.http() as http:
        assert_error(http.get("/v1/nothing"), 404)
        assert_error(http.get(CHAT), 405)
        assert_error(http.post(CHAT, content=b"model=chat", headers={"content-type": "text/plain"}), 415)
        assert_error(http.post(CHAT, content=chat(), headers={"x-request-id": "a b\tc"}), 400)


def test_a_chunked_body_over_the_limit_is_cut_off(stack: Stack) -> None:
    def pieces() -> Any:
        for _ in range(40):
            yield b"x" * 100_000

    with stack.http() as http:
        # The server may hang up before the end of the body, which is as good.
        with contextlib.suppress(httpx.WriteError):
            assert_error(http.post(CHAT, content=pieces(), headers={"content-type": "application/json"}), 413)
        assert http.get("/healthz").status_code == 200


def test_half_a_request_disturbs_nobody(stack: Stack) -> None:
    host, port = stack.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as raw:
        raw.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{")
    with stack.http() as http:
        assert http.get("/readyz").json()["status"] == "ready"


def test_the_request_id_goes_in_and_out(stack: Stack) -> None:
    with stack.http() as http:
        response = http.get("/v1/models", headers={"x-request-id": "my-id-1"})
        assert response.headers.get_list("x-request-id") == ["my-id-1"]
        assert len(http.get("/v1/models").headers.get_list("x-request-id")) == 1
