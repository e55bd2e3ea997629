"""One request to a gateway, whatever the gateway does."""

import socket
import time

import httpx
import orjson
import pytest

from app.batches.answer import Answer
from app.batches.lines import Line
from app.batches.send import GatewaySender
from app.batches.types import Batch
from tests.unit.batches.desk import CHAT, Desk, GatewayDouble, lines_of
from tests.unit.server import listening


def line_of(**body: object) -> Line:
    return Line(1, "a", CHAT, body)


@pytest.fixture
async def batch(desk: Desk) -> Batch:
    return await desk.begin(lines_of(1))


async def ask(url: str, batch: Batch, line: Line) -> Answer:
    async with httpx.AsyncClient(base_url=url, timeout=0.5) as client:
        return await GatewaySender(client, lambda batch, ttl_s: f"token of {batch.id}")(batch, line)


async def test_the_gateways_answer_comes_back_as_it_is(batch: Batch) -> None:
    double = GatewayDouble()
    with listening(double.app) as url:
        answer = await ask(url, batch, line_of(text="ä"))
        refused = await ask(url, batch, line_of(statuses=[402]))
        busy = await ask(url, batch, line_of(statuses=[429]))
    assert (answer.status, answer.body) == (200, {"status": 200, "text": "ä"})
    assert (refused.status, refused.ok) == (402, False)
    assert (busy.status, busy.retry_after_s) == (429, 0)
    assert double.headers[0]["authorization"] == f"Bearer token of {batch.id}"
    assert answer.request_id == double.headers[0]["x-request-id"] == double.headers[1]["x-request-id"]


async def test_a_body_too_deep_to_be_written_is_the_lines_own_mistake(batch: Batch) -> None:
    double = GatewayDouble()
    deep = orjson.loads(b"[" * 500 + b"]" * 500)
    with listening(double.app) as url:
        answer = await ask(url, batch, line_of(deep=deep))
    assert (answer.status, answer.body["error"]["code"]) == (400, "invalid_request")
    assert double.seen == []


async def test_a_proxys_page_is_an_error_of_ours(batch: Batch) -> None:
    with listening(GatewayDouble().app) as url:
        answer = await ask(url, batch, line_of(statuses=[599]))
    assert answer.status == 502
    assert answer.body["error"]["code"] == "upstream_failed"


async def test_a_gateway_that_is_away_is_waited_for_and_one_that_breaks_is_not(batch: Batch) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # nobody listens
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        assert (await ask(url, batch, line_of())).status == 503
        bound.listen()  # somebody does, and says nothing
        assert (await ask(url, batch, line_of())).status == 504


async def test_a_token_is_renewed_at_half_of_its_life(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    issued: list[float] = []

    def issue(batch: Batch, ttl_s: float) -> str:
        issued.append(ttl_s)
        return "token"

    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with listening(GatewayDouble().app) as url:
        async with httpx.AsyncClient(base_url=url) as client:
            send = GatewaySender(client, issue)
            for now in (1000.0, 1449.0, 1450.0, 1451.0):  # noqa: B007 - read by the clock above
                await send(batch, line_of())
    assert issued == [900, 900]
