"""What writes to memory by route is a request like others: it finds a place, limits hold, and its length is bounded."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.errors import RateLimited
from app.sql.schema import conversation_items, conversations, memories
from tests.unit.memory.conftest import MakeDesk
from tests.unit.memory.desk import Desk
from tests.unit.wire import client_of, error_of

CONVERSATIONS, MEMORIES = "/v1/conversations", "/v1/memories?user=ann"
FACT = {"text": "Likes tea."}


def items(*texts: str) -> dict[str, Any]:
    """A body with these words of a user."""
    return {"items": [{"type": "message", "role": "user", "content": text} for text in texts]}


@pytest.fixture
async def desk(make_lite: MakeDesk) -> Desk:
    return await make_lite(guard={"max_characters": 1000, "policy": {"output": []}}, gateway={"max_in_progress": 1})


@pytest.fixture
async def http(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(desk) as client:
        yield client


async def writes(http: httpx.AsyncClient) -> list[tuple[str, str, Any]]:
    """A request of each route that changes what is kept."""
    conversation = (await http.post(CONVERSATIONS)).json()["id"]
    memory = (await http.post(MEMORIES, json=FACT)).json()["id"]
    return [
        ("POST", CONVERSATIONS, items("Hi.")),
        ("POST", f"{CONVERSATIONS}/{conversation}", {"metadata": {"a": "b"}}),
        ("POST", f"{CONVERSATIONS}/{conversation}/items", items("Hi.")),
        ("POST", MEMORIES, FACT),
        ("PATCH", f"/v1/memories/{memory}", FACT),
    ]


async def test_every_write_counts_and_costs_nothing(http: httpx.AsyncClient, desk: Desk) -> None:
    requests = await writes(http)
    desk.ledger.rows.clear()
    desk.ledger.headers["x-ratelimit-remaining-requests"] = "7"

    for method, path, body in requests:
        answer = await http.request(method, path, json=body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-ratelimit-remaining-requests"] == "7"

    assert [row.operation for row in desk.ledger.rows] == ["conversations"] * 3 + ["memories"] * 2
    assert {(row.requested_model, row.model, row.cost_nano) for row in desk.ledger.rows} == {("memory", "", 0)}


async def test_past_a_limit_nothing_is_screened_or_kept(http: httpx.AsyncClient, desk: Desk) -> None:
    requests = await writes(http)
    assert desk.guard is not None
    desk.guard.calls.clear()
    desk.ledger.admit_error = RateLimited("Slow down.", retry_after_s=7)

    for method, path, body in requests:
        answer = await http.request(method, path, json=body)
        assert error_of(answer, 429)["code"] == "rate_limit_exceeded"
        assert answer.headers["retry-after"] == "7"

    assert desk.guard.calls == []
    assert (len(await desk.rows(conversations)), await desk.rows(conversation_items)) == (1, [])
    assert len(await desk.rows(memories)) == 1


async def test_without_room_they_are_shed_and_make_room_again(http: httpx.AsyncClient, desk: Desk) -> None:
    requests = await writes(http)
    assert desk.guard is not None
    desk.guard.gate, desk.guard.started = asyncio.Event(), asyncio.Event()
    first = asyncio.ensure_future(http.post(CONVERSATIONS, json=items("Wait.")))
    await desk.guard.started.wait()

    async with asyncio.timeout(10):  # one that finds a place would wait for the guard
        for method, path, body in requests:
            assert error_of(await http.request(method, path, json=body), 503)["code"] == "overloaded"

    desk.guard.gate.set()
    assert (await first).status_code == 200
    for method, path, body in requests:
        assert (await http.request(method, path, json=body)).status_code == 200


@pytest.mark.parametrize("texts", [("x" * 1001,), ("x" * 501, "y" * 500)])
async def test_more_than_is_screened_is_refused_before_the_guard(
    http: httpx.AsyncClient, desk: Desk, texts: tuple[str, ...]
) -> None:
    conversation = (await http.post(CONVERSATIONS)).json()["id"]

    for path in (CONVERSATIONS, f"{CONVERSATIONS}/{conversation}/items"):
        error = error_of(await http.post(path, json=items(*texts)), 400)
        assert "1,000 characters" in error["message"]

    assert desk.guard is not None
    assert desk.guard.calls == []
    assert (len(await desk.rows(conversations)), await desk.rows(conversation_items)) == (1, [])
    assert len(desk.ledger.released) == 2  # refused, so without a row


async def test_many_short_texts_count_for_more_than_their_characters(http: httpx.AsyncClient) -> None:
    arguments = "[" + ",".join(["1"] * 300) + "]"
    call = {"type": "function_call", "call_id": "call-1", "name": "f", "arguments": arguments}

    error = error_of(await http.post(CONVERSATIONS, json={"items": [call]}), 400)

    assert "1,000 characters" in error["message"]


async def test_what_is_as_long_as_it_may_be_is_kept(http: httpx.AsyncClient) -> None:
    assert (await http.post(CONVERSATIONS, json=items("x" * 1000))).status_code == 200


async def test_without_a_guard_nothing_is_too_long(http: httpx.AsyncClient, make_lite: MakeDesk) -> None:
    desk = await make_lite(guard={"enabled": False, "max_characters": 5})
    desk.guard = None
    desk.renew()

    async with client_of(desk) as client:
        assert (await client.post(CONVERSATIONS, json=items("x" * 6))).status_code == 200


async def test_several_things_can_be_included(desk: Desk) -> None:
    async with client_of(desk) as http:
        conversation = (await http.post(CONVERSATIONS)).json()["id"]
        include = "include[]=reasoning.encrypted_content&include[]=message.input_image.image_url"
        for method in ("GET", "POST"):
            path = f"{CONVERSATIONS}/{conversation}/items?{include}"
            answer = await http.request(method, path, json=items("Hi.") if method == "POST" else None)
            assert answer.status_code == 200, answer.text


async def test_a_fact_holds_nothing_that_a_database_refuses(http: httpx.AsyncClient, desk: Desk) -> None:
    kept = (await http.post(MEMORIES, json=FACT)).json()["id"]

    for method, path in (("POST", MEMORIES), ("PATCH", f"/v1/memories/{kept}")):
        assert error_of(await http.request(method, path, json={"text": "a\x00b"}), 400)["param"] == "text"

    assert (await http.patch(f"/v1/memories/{kept}", json={"text": "Two\nlines."})).status_code == 200
