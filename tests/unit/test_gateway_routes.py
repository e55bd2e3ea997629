"""The routes and their order of refusals, over the API without a network."""

import base64
import json
import re
from typing import Any

import httpx
import numpy as np
import pytest

from app.gateway.operations import CONSOLE_FILES
from tests.unit.bench import Bench
from tests.unit.fakes import FakeGuard, vector_of
from tests.unit.wire import CHAT, client_of, error_of

HELLO: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi there."}], "temperature": 0}


def code_of(response: httpx.Response) -> tuple[int, str]:
    """Status and code of an error in the one shape."""
    return response.status_code, error_of(response, response.status_code)["code"]


@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/v1/embeddings", "/tokenize"])
async def test_every_route_with_a_body_refuses_in_the_same_order(bench: Bench, path: str) -> None:
    """A stranger learns nothing but that a key is missing; the size is looked at before the content."""
    text, big = {"content-type": "text/plain"}, b"{" * 1_000_001
    async with client_of(bench) as client:
        stranger = {"authorization": "Bearer wrong", **text}
        assert code_of(await client.post(path, content=big, headers=stranger)) == (401, "invalid_api_key")
        assert code_of(await client.post(path, content=big, headers=text)) == (415, "unsupported_media_type")
        assert code_of(await client.post(path, content=big)) == (413, "payload_too_large")
        for body in (b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"model": NaN}'):
            assert code_of(await client.post(path, content=body)) == (400, "invalid_request")
        assert (await client.post(path, content=b"{}")).json()["error"]["param"] == "model"
    assert bench.model.bodies == []


@pytest.mark.parametrize("media_type", ["application/json", "Application/JSON; charset=utf-8", "application/x+json"])
async def test_json_by_any_of_its_names_is_read(bench: Bench, media_type: str) -> None:
    async with client_of(bench) as client:
        response = await client.post(CHAT, content=json.dumps(HELLO), headers={"content-type": media_type})
    assert response.status_code == 200


async def test_a_wrong_method_is_told_the_right_one(bench: Bench) -> None:
    async with client_of(bench) as client:
        response = await client.delete(CHAT)
        assert code_of(response) == (405, "method_not_allowed")
        assert response.headers["allow"] == "POST"
        assert code_of(await client.get("/v1/unknown")) == (404, "not_found")


async def test_an_answer_gets_an_id_where_the_client_gave_none(bench: Bench) -> None:
    async with client_of(bench) as client:
        one, other = await client.post(CHAT, json=HELLO), await client.get("/v1/unknown")
    identifiers = [one.headers["x-request-id"], other.headers["x-request-id"]]
    assert len(set(identifiers)) == 2
    assert bench.recorder.only.request_id == identifiers[0]


@pytest.mark.parametrize("identifier", [b"a b", b"x" * 129, b"\xe4", b"<script>"])
async def test_a_refused_request_id_is_not_sent_back(bench: Bench, identifier: bytes) -> None:
    async with client_of(bench) as client:
        response = await client.post(CHAT, json=HELLO, headers={b"x-request-id": identifier})
    assert code_of(response) == (400, "invalid_request")
    assert re.fullmatch("[0-9a-f]{32}", response.headers["x-request-id"])


async def test_behind_a_server_that_sends_the_id_back_it_is_not_sent_twice(bench: Bench) -> None:
    async with client_of(bench, request_id_echoed=True) as client:
        response = await client.post(CHAT, json=HELLO, headers={"x-request-id": "abc"})
    assert "x-request-id" not in response.headers
    assert bench.recorder.only.request_id == "abc"


async def test_cache_control_is_obeyed(bench: Bench) -> None:
    states = []
    async with client_of(bench) as client:
        for directive in ("no-store", None, None, "no-cache"):
            headers = {"cache-control": directive} if directive else {}
            states.append((await client.post(CHAT, json=HELLO, headers=headers)).headers["x-sextant-cache"])
    assert states == ["bypass", "miss", "exact", "bypass"]


async def test_text_completions_are_served(bench: Bench) -> None:
    async with client_of(bench) as client:
        whole = await client.post("/v1/completions", json={"model": "m", "prompt": "Hi", "temperature": 0})
        streamed = await client.post("/v1/completions", json={"model": "m", "prompt": "Hi", "stream": True})
    assert whole.json()["choices"][0]["text"] == "Hello world."
    assert streamed.text.endswith("data: [DONE]\n\n")
    assert {event.operation for event in bench.recorder.events} == {"text_completion"}


async def test_embeddings_are_the_same_in_both_encodings(bench: Bench) -> None:
    body = {"model": "all-minilm-l6-v2", "input": ["one", "two"]}
    async with client_of(bench) as client:
        plain = (await client.post("/v1/embeddings", json=body)).json()
        coded = (await client.post("/v1/embeddings", json={**body, "encoding_format": "base64"})).json()
    for text, one, other in zip(body["input"], plain["data"], coded["data"], strict=True):
        decoded = np.frombuffer(base64.b64decode(other["embedding"]), dtype="<f4")
        np.testing.assert_array_equal(decoded, vector_of(text))
        np.testing.assert_array_equal(np.array(one["embedding"], dtype=np.float32), vector_of(text))


async def test_models_are_listed_and_shown_to_who_has_a_key(bench: Bench) -> None:
    async with client_of(bench) as client:
        listed = (await client.get("/v1/models")).json()["data"]
        for card in listed:
            assert (await client.get(f"/v1/models/{card['id']}")).json() == card
        assert code_of(await client.get("/v1/models/gpt/4")) == (404, "model_not_found")
        assert code_of(await client.get("/v1/models/m", headers={"authorization": ""})) == (401, "invalid_api_key")
    assert [card["id"] for card in listed] == ["m", "chat", "docs", "all-minilm-l6-v2"]


async def test_masked_values_come_back_over_the_wire(bench: Bench) -> None:
    bench.guard, bench.model.pieces = FakeGuard(names=["Ann"]), ["Dear <PER", "SON_1>", "."]
    ann = {**HELLO, "messages": [{"role": "user", "content": "I am Ann"}]}
    async with client_of(bench) as client:
        whole = (await client.post(CHAT, json=ann)).json()["choices"][0]["message"]["content"]
        streamed = (await client.post(CHAT, json={**ann, "stream": True, "temperature": 1})).text
    assert whole == "Dear Ann."
    assert "".join(re.findall(r'"content":"([^"]*)"', streamed)) == "Dear Ann."


async def test_health_and_console_need_no_key_and_every_file_has_the_policy(bench: Bench) -> None:
    async with client_of(bench) as client:
        client.headers.pop("authorization")
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get("/")).headers["location"] == "/console/"
        assert (await client.get("/favicon.ico")).status_code == 204
        for name in CONSOLE_FILES:
            page = await client.get(f"/console/{name}")
            policy = page.headers["content-security-policy"]
            assert page.status_code == 200
            assert "default-src 'self'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert page.headers["x-content-type-options"] == "nosniff"
