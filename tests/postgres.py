"""A real PostgreSQL for tests: one server a session, a fresh database for whoever asks.

Take the fixtures with `from tests.postgres import postgres_server, postgres_url` in a conftest.
"""

import asyncio
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

USER = "sextant"
START_TIMEOUT_S = 30.0
_names = itertools.count(1)


@dataclass(frozen=True)
class PostgresServer:
    """A server on the loopback address that trusts everybody there."""

    port: int

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """An empty database; returns its URL."""
        name = f"test_{os.getpid()}_{next(_names)}"
        asyncio.run(self._execute(f'CREATE DATABASE "{name}"'))
        return self.url(name)

    def answers(self) -> bool:
        try:
            asyncio.run(self._execute("SELECT 1"))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        return True

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url("postgres"), timeout=5)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running server; skips where there is no PostgreSQL."""
    with postgres_directory() as directory, running_postgres(directory) as server:
        yield server


@contextmanager
def postgres_directory() -> Iterator[Path]:
    """A place for a cluster; skips where there is no PostgreSQL. In memory where that can be: a
    busy disk makes every database take seconds."""
    missing = [name for name in ("initdb", "postgres") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)} on the PATH")
    memory = Path("/dev/shm")
    directory = Path(tempfile.mkdtemp(prefix="sextant-pg-", dir=memory if memory.is_dir() else None))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Callable[[], str]:
    """Call it for the URL of a new empty database (not from a running event loop)."""
    return postgres_server.create_database


class running_postgres:  # noqa: N801  a context manager, called like one
    """Makes a cluster in `directory` and runs a server on it; once ended it can be run again, at the same port."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._data = directory / "data"
        self._server = PostgresServer(_free_port())
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PostgresServer:
        prefix = _as_somebody_else(self._directory)
        if not self._data.exists():
            # PostgreSQL refuses to run as root.
            command = ["initdb", "-D", str(self._data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
            subprocess.run([*prefix, *command], check=True, capture_output=True, cwd=self._directory)
        server = self._server
        settings = {"listen_addresses": "127.0.0.1", "port": server.port, "fsync": "off", "max_connections": 200}
        # Sockets and shared memory in no place that would outlive the directory.
        settings |= {"unix_socket_directories": "", "dynamic_shared_memory_type": "mmap"}
        command = ["postgres", "-D", str(self._data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        log = (self._directory / "log").open("ab")
        self._process = subprocess.Popen([*prefix, *command], stdout=log, stderr=log, cwd=self._directory)
        log.close()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not server.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._directory / "log").read_text()[-2000:])
            time.sleep(0.02)
        return server

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            # Ends it at once, connections and all; what was committed is found again by the next start.
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(10)


def _as_somebody_else(directory: Path) -> list[str]:
    """What to put before a command, so that root runs it as `nobody`, whose the directory then is."""
    if os.getuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no setpriv")
    somebody = pwd.getpwnam("nobody")
    os.chown(directory, somebody.pw_uid, somebody.pw_gid)
    return ["setpriv", f"--reuid={somebody.pw_uid}", f"--regid={somebody.pw_gid}", "--clear-groups"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
