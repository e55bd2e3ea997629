"""A desk for each test, and the API on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.unit.batches.desk import Desk, api_of, open_desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Small bounds, so that tests can reach them."""
    async with open_desk(
        tmp_path,
        max_file_bytes=100_000,
        max_stored_bytes=300_000,
        max_line_bytes=2_000,
        max_requests=1_000,
        max_open=3,
        max_jobs=3,
        retries=1,
        poll_s=0.02,
    ) as opened:
        yield opened


@pytest.fixture
async def http(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    """Without a network in between: for what only the routes themselves answer."""
    transport = httpx.ASGITransport(api_of(desk), raise_app_exceptions=False)
    headers = {"authorization": "Bearer sk-one"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as opened:
        yield opened
