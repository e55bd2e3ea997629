"""The gateway's API on a bench, with and without a network in between."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx

from app.gateway.api import create_api
from tests.unit.bench import API_KEY, Bench
from tests.unit.server import listening

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
    with listening(create_api(bench.gateway)) as url:
        yield url


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    """The error in the one shape, under this status."""
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error
