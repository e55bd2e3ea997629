"""Fleets over each kind of counter store."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from valkey import Valkey
from valkey.exceptions import ValkeyError

from tests.chaos.fleet import Fleet, eventually, fleet, provider

# 10 tokens cost 0.01 USD, whoever asks what: the worst case of a request is what it costs.
PRICED = {"output_usd_per_million": 1000}


@pytest.fixture(scope="package")
def upstream() -> Iterator[str]:
    """A provider that always answers with 10 tokens."""
    with provider("--tokens", "10", "--delay-ms", "5") as (url, _):
        yield url


@pytest.fixture(scope="package", params=["embedded Valkey", "Redis"])
def priced(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, upstream: str) -> Iterator[Fleet]:
    """A fleet with one hosted model, `steady`, at 0.01 USD an answer."""
    args: dict[str, Any] = {
        "providers": {"double": {"base_url": f"{upstream}/v1"}},
        "hosted": [{"id": "steady", "provider": "double", "price": PRICED, "max_output_tokens": 10}],
    }
    home = tmp_path_factory.mktemp("fleet")
    if request.param == "embedded Valkey":
        with fleet(home / "stack", args) as running:
            yield running
        return
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("no redis-server here")
    with redis(server, home / "redis") as url, fleet(home / "stack", {**args, "cache": {"url": url}}) as running:
        yield running


class redis:  # noqa: N801 (reads as a function where it is used)
    """A Redis server of its own, with an append-only file."""

    def __init__(self, server: str, directory: Path) -> None:
        directory.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._command = [server, "--port", str(self._port), "--dir", str(directory), "--appendonly", "yes"]

    def __enter__(self) -> str:
        self._process = subprocess.Popen([*self._command, "--save", ""], stdout=subprocess.DEVNULL)
        client = Valkey(port=self._port)

        def answers() -> bool:
            try:
                return bool(client.ping())
            except (ValkeyError, OSError):
                return False

        eventually(answers, 10)
        client.close()  # type: ignore[no-untyped-call]
        return f"redis://127.0.0.1:{self._port}/0"

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
