"""The gateway's API on a bench, with and without a network in between."""

import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import uvicorn

from app.gateway.api import create_api
from tests.unit.bench import API_KEY, Bench

CHAT = "/v1/chat/completions"
AUTHORIZED = {"authorization": f"Bearer {API_KEY}"}


@asynccontextmanager
async def client_of(bench: Bench, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API, without a network in between."""
    transport = httpx.ASGITransport(create_api(bench.gateway, **options), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=AUTHORIZED) as client:
        yield client


@contextmanager
def served(bench: Bench) -> Iterator[str]:
    """The API on a real socket; yields its URL."""
    config = uvicorn.Config(create_api(bench.gateway), host="127.0.0.1", port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    """The error in the one shape, under this status."""
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error
