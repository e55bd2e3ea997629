"""One request to a gateway, whatever the gateway does."""

import socket
from types import SimpleNamespace

import httpx
import orjson
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.accounts.book import Book
from app.accounts.directory import Directory
from app.accounts.tokens import BatchTokens
from app.batches import send
from app.batches.answer import Answer
from app.batches.lines import Line
from app.batches.retry import is_busy
from app.batches.send import GatewaySender
from app.batches.types import Batch
from app.config import AccountsConfig
from app.errors import SextantError
from tests.unit.accounts.desk import SECRETS
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


class Clocks:
    """Both clocks of a machine, as `time` tells them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monotonic, self.wall = 1000.0, 1e9
        monkeypatch.setattr(send, "time", SimpleNamespace(monotonic=lambda: self.monotonic, time=lambda: self.wall))


async def issued_after(batch: Batch, clocks: Clocks, steps: list[tuple[float, float]]) -> list[int]:
    """How many tokens were issued once each step of the monotonic and of the wall clock was followed by a request."""
    issued: list[float] = []

    def issue(batch: Batch, ttl_s: float) -> str:
        issued.append(ttl_s)
        return "token"

    counts = []
    with listening(GatewayDouble().app) as url:
        async with httpx.AsyncClient(base_url=url) as client:
            sender = GatewaySender(client, issue)
            for monotonic, wall in steps:
                clocks.monotonic += monotonic
                clocks.wall += wall
                await sender(batch, line_of())
                counts.append(len(issued))
    assert set(issued) == {900}
    return counts


@pytest.mark.parametrize(
    ("steps", "counts"),
    [
        ([(0, 0), (449, 449), (1, 1), (1, 1)], [1, 1, 2, 2]),
        ([(0, 0), (0, 449), (0, 1), (0, 1)], [1, 1, 2, 2]),
        ([(0, 0), (1, 86_400), (1, 1)], [1, 2, 2]),
        ([(0, 0), (1, -1), (1, 1)], [1, 2, 2]),
        ([(0, 0), (400, 10), (49, 10), (1, 10)], [1, 1, 1, 2]),
    ],
    ids=["together", "asleep", "stepped on", "stepped back", "slow"],
)
async def test_a_token_is_renewed_at_half_of_its_life_by_either_clock(
    batch: Batch, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[float, float]], counts: list[int]
) -> None:
    """The gateway judges by the wall clock, which goes on while a machine sleeps and may be set."""
    assert await issued_after(batch, Clocks(monkeypatch), steps) == counts


class Doorkeeper:
    """A gateway with the stack's own directory at its door."""

    def __init__(self, directory: Directory) -> None:
        self.tokens: list[str] = []
        self.app = FastAPI()
        self.app.post(CHAT)(self._chat)
        self._directory = directory

    async def _chat(self, request: Request) -> Response:
        self.tokens.append(request.headers["authorization"].removeprefix("Bearer "))
        try:
            self._directory.authenticate(request.headers["authorization"])
        except SextantError as error:
            return JSONResponse(error.to_wire(), error.status)
        return JSONResponse({"served": True})


async def ask_at_the_door(desk: Desk, batch: Batch, lives_s: list[float]) -> tuple[Answer, Doorkeeper]:
    """One request with the tokens of key `default`, which live so long; the last number holds for all further ones."""
    directory = Directory(SECRETS, desk.engine, AccountsConfig())
    directory.use(Book())
    door, tokens, lives = Doorkeeper(directory), BatchTokens(SECRETS), iter(lives_s)

    def issue(batch: Batch, ttl_s: float) -> str:
        return tokens.issue("default", "default", batch.id, next(lives, lives_s[-1]))

    with listening(door.app) as url:
        async with httpx.AsyncClient(base_url=url) as client:
            return await GatewaySender(client, issue)(batch, line_of()), door


async def test_a_token_that_the_gateway_calls_expired_is_replaced_and_the_request_sent_again(
    desk: Desk, batch: Batch
) -> None:
    answer, door = await ask_at_the_door(desk, batch, [-1, 60])
    assert (answer.status, answer.body) == (200, {"served": True})
    assert len(set(door.tokens)) == len(door.tokens) == 2


async def test_clocks_that_disagree_are_waited_for_and_no_lines_error(desk: Desk, batch: Batch) -> None:
    """A fresh token has expired as well: the line keeps its place until somebody sets the clocks."""
    answer, door = await ask_at_the_door(desk, batch, [-1])
    assert (answer.status, answer.body["error"]["code"], len(door.tokens)) == (503, "unavailable", 2)
    assert is_busy(answer)


async def test_a_key_that_was_revoked_stays_a_401(desk: Desk, batch: Batch) -> None:
    """And is told apart from a token that ran out."""
    directory = Directory(SECRETS, desk.engine, AccountsConfig())
    directory.use(Book())
    door, tokens = Doorkeeper(directory), BatchTokens(SECRETS)
    with listening(door.app) as url:
        async with httpx.AsyncClient(base_url=url) as client:
            sender = GatewaySender(client, lambda batch, ttl_s: tokens.issue("key-1", "acme", batch.id, ttl_s))
            answer = await sender(batch, line_of())
    assert (answer.status, answer.code, len(door.tokens)) == (401, "invalid_api_key", 1)
    assert not is_busy(answer)
