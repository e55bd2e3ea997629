"""Submit a job to the stack that `make serve` runs, and follow it.

    python -m deployments.submit jobs.ingest ~/handbook
    python -m deployments.submit jobs.evaluate --model docs

The same as `ray job submit --address ... -- python -m ...` with the address and the token filled in.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from app.config import default_home


def main() -> int:
    """Returns the exit status of the submission."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(__doc__)
        return 0
    home = default_home()
    try:
        stack = json.loads((home / "run" / "stack.json").read_text())
    except FileNotFoundError:
        print(f"No stack runs on {home}; start one with `make serve`.", file=sys.stderr)
        return 2
    # The job runs in another folder: paths that exist here are made absolute.
    module, *rest = (str(Path(a).absolute()) if Path(a).exists() else a for a in arguments)
    ray = str(Path(sys.executable).parent / "ray")
    command = [ray, "job", "submit", "--address", stack["dashboard_url"], "--", sys.executable, "-m", module, *rest]
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(home / "ray_token")}
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
