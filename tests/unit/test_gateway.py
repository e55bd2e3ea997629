"""The HTTP front over a real server: keys, bodies, errors in one shape, streams and clients that leave."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from starlette.types import Message

from app.errors import Unavailable
from app.gateway.health import Dependency
from app.gateway.responses import EventStream
from tests.unit.bench import API_KEY, Bench
from tests.unit.conftest import MakeBench
from tests.unit.wire import CHAT, client_of, error_of, served

HELLO: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "private words"}], "temperature": 0}


@pytest.fixture
def server(bench: Bench) -> Iterator[str]:
    with served(bench) as url:
        yield url


@pytest.mark.parametrize("value", [None, "", API_KEY, f"Basic {API_KEY}", "Bearer", "Bearer x", f"Bearer {API_KEY}x"])
async def test_without_a_valid_key_nothing_is_done(bench: Bench, value: str | None) -> None:
    async with client_of(bench) as client:
        client.headers.pop("authorization")
        headers = {"authorization": value} if value is not None else {}
        for response in (await client.get("/v1/models", headers=headers), await client.post(CHAT, headers=headers)):
            assert error_of(response, 401)["code"] == "invalid_api_key"
            assert response.headers["www-authenticate"] == "Bearer"
    assert bench.model.bodies == []


async def test_the_schemes_case_does_not_matter(bench: Bench) -> None:
    async with client_of(bench) as client:
        assert (await client.get("/v1/models", headers={"authorization": f"bearer {API_KEY}"})).status_code == 200


async def test_an_answer_tells_how_it_came_about(bench: Bench) -> None:
    async with client_of(bench) as client:
        response = await client.post(CHAT, json=HELLO, headers={"x-request-id": "abc-1"})
    assert response.json()["choices"][0]["message"]["content"] == "Hello world."
    assert response.headers.get_list("x-request-id") == ["abc-1"]
    assert response.headers["x-sextant-cache"] == "miss"
    assert response.headers["x-sextant-model"] == "m"
    assert "guard;dur=" in response.headers["server-timing"]


@pytest.mark.parametrize("identifier", ["a b", "x" * 129, "ä", "<script>"])
async def test_a_request_id_that_is_none_is_refused(bench: Bench, identifier: str) -> None:
    async with client_of(bench) as client:
        error_of(await client.post(CHAT, json=HELLO, headers={b"x-request-id": identifier.encode()}), 400)


async def test_routes_methods_media_types_and_sizes(bench: Bench) -> None:
    async with client_of(bench) as client:
        error_of(await client.get("/nothing"), 404)
        assert error_of(await client.get(CHAT), 405)["code"] == "method_not_allowed"
        error_of(await client.post(CHAT, content=b"x", headers={"content-type": "text/plain"}), 415)
        error_of(await client.post(CHAT, content=b"x" * 1_000_001), 413)

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(11):
                yield b"x" * 100_000

        error_of(await client.post(CHAT, content=pieces(), headers={"content-type": "application/json"}), 413)


async def test_a_stream_is_framed_and_ended(bench: Bench) -> None:
    async with client_of(bench) as client:
        response = await client.post(CHAT, json={**HELLO, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-cache"
    events = response.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == "Hello world."


async def test_an_error_in_mid_stream_is_an_event_and_no_done_follows(bench: Bench) -> None:
    bench.model.fails_at, bench.model.error = 2, Unavailable("The model died.")
    async with client_of(bench) as client:
        response = await client.post(CHAT, json={**HELLO, "stream": True})
    assert response.status_code == 200
    last = response.text.strip().split("\n\n")[-1]
    assert json.loads(last.removeprefix("data: "))["error"]["message"] == "The model died."
    assert "[DONE]" not in response.text


async def test_an_error_before_the_first_chunk_has_its_status(bench: Bench) -> None:
    bench.model.fails_at, bench.model.error = 0, Unavailable("Starting.", retry_after_s=5)
    async with client_of(bench) as client:
        response = await client.post(CHAT, json={**HELLO, "stream": True})
    assert error_of(response, 503)["message"] == "Starting."
    assert response.headers["retry-after"] == "5"


async def test_a_bug_is_a_500_without_internals_and_without_user_text_in_the_log(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.model.fails_at, bench.model.error = 0, RuntimeError("engine says: private words")
    async with client_of(bench) as client:
        with caplog.at_level(logging.DEBUG, logger="app"):
            response = await client.post(CHAT, json=HELLO, headers={"x-request-id": "find-me"})
    error = error_of(response, 500)
    assert "engine" not in error["message"]
    assert "find-me" in caplog.text
    assert "RuntimeError" in caplog.text
    assert "private" not in caplog.text


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_ends_the_generation(bench: Bench, server: str, stream: bool) -> None:
    bench.model.hangs_at = 2 if stream else 0
    with httpx.Client(base_url=server, headers={"authorization": f"Bearer {API_KEY}"}) as client:
        request = client.build_request("POST", CHAT, json={**HELLO, "stream": stream}, timeout=0.5)
        with pytest.raises(httpx.ReadTimeout):
            client.send(request)
    assert bench.model.closed.wait(1.0)
    assert bench.model.finished == 0


async def test_readiness_tells_required_from_optional(bench: Bench) -> None:
    async def up() -> bool:
        return True

    async def down() -> bool:
        raise Unavailable("secret host name")

    async def hanging() -> bool:
        await asyncio.Event().wait()
        return True

    cases = [({"a": (up, True)}, 200, "ready"), ({"a": (up, True), "b": (down, False)}, 200, "degraded")]
    cases += [({"a": (hanging, True), "b": (up, True)}, 503, "unready")]
    for wanted, status, word in cases:
        bench.dependencies = {name: Dependency(probe, required) for name, (probe, required) in wanted.items()}
        async with client_of(bench) as client:
            response = await client.get("/readyz")
        assert response.status_code == status
        assert response.json()["status"] == word
        assert "secret" not in response.text
    states = {name: state["state"] for name, state in response.json()["dependencies"].items()}
    assert states == {"a": "down", "b": "up"}


async def test_one_of_the_models_is_enough_and_a_hosted_one_is_never_missed(bench: Bench) -> None:
    async def up() -> bool:
        return True

    async def down() -> bool:
        return False

    away, here = Dependency(down, required=True, group="models"), Dependency(up, required=True, group="models")
    hosted_up, hosted_down = (Dependency(probe, required=False, group="models") for probe in (up, down))
    cases = [
        ({"a": away, "b": here}, 200, "degraded"),
        ({"a": away, "h": hosted_up}, 200, "degraded"),
        ({"a": away, "b": away, "h": hosted_down}, 503, "unready"),
        ({"h": hosted_down}, 200, "degraded"),
        ({"a": here, "ledger": Dependency(down, required=True)}, 503, "unready"),
        ({"ledger": Dependency(down, required=True), "mlflow": Dependency(up, required=False)}, 503, "unready"),
    ]
    for dependencies, status, word in cases:
        bench.dependencies = dependencies
        async with client_of(bench) as client:
            response = await client.get("/readyz")
        assert (response.status_code, response.json()["status"]) == (status, word)


async def test_the_console_has_a_policy_and_leaves_no_folder(bench: Bench) -> None:
    async with client_of(bench) as client:
        page = await client.get("/console/")
        assert page.status_code == 200
        assert page.headers["content-security-policy"].startswith("default-src 'self'")
        for name in ("../gateway/keys.py", "%2e%2e/errors.py", "nothing.js"):
            assert (await client.get(f"/console/{name}")).status_code == 404


async def test_tokenize_asks_the_model_under_its_own_name(bench: Bench) -> None:
    async with client_of(bench) as client:
        response = await client.post("/tokenize", json={"model": "chat", "messages": HELLO["messages"]})
    assert response.json()["count"] == 2
    assert bench.model.bodies == [{"messages": [{"role": "user", "content": "private words"}], "model": "m"}]


async def test_a_client_that_does_not_read_is_given_up_after_the_deadline(bench: Bench) -> None:
    reply = await bench.ask(stream=True)
    assert reply.chunks
    stream = EventStream(reply.chunks, {}, deadline=asyncio.get_running_loop().time() - 0.9)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(_: Message) -> None:
        await asyncio.Event().wait()

    async with asyncio.timeout(2):
        await stream({"type": "http"}, receive, send)
    assert bench.model.closed.is_set()


async def test_asking_often_for_readiness_probes_once(bench: Bench) -> None:
    probes = 0

    async def count() -> bool:
        nonlocal probes
        probes += 1
        return True

    bench.dependencies = {"a": Dependency(count, required=True)}
    async with client_of(bench) as client:
        answers = await asyncio.gather(*(client.get("/readyz") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert probes <= 2


async def test_a_body_that_does_not_arrive_is_given_up(make_bench: MakeBench) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with client_of(make_bench(gateway={"body_timeout_s": 0.05})) as client:
        response = await client.post(CHAT, content=slowly(), headers={"content-type": "application/json"})
    assert error_of(response, 408)["code"] == "request_timeout"
