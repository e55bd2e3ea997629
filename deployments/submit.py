"""Submit a job to the stack that `make serve` runs, and follow it.

    python -m deployments.submit jobs.ingest ~/handbook
    python -m deployments.submit jobs.evaluate --model docs

The same as `ray job submit --address ... -- python -m ...` with the address and the token filled in.
"""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from app.config import default_home
from deployments.plan import without_proxy


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
    module, *rest = arguments
    rest = absolute_paths(rest)
    ray = str(Path(sys.executable).parent / "ray")
    command = [ray, "job", "submit", "--address", stack["dashboard_url"], "--", sys.executable, "-m", module, *rest]
    environment = {
        **os.environ,
        **without_proxy(os.environ),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(home / "ray_token"),
        "RAY_API_SERVER_ADDRESS": stack["dashboard_url"],  # one in the shell would come before --address
    }
    return subprocess.run(command, env=environment, check=False).returncode


def absolute_paths(arguments: Sequence[str]) -> list[str]:
    """A job runs in another folder: what is a path here is made absolute.

    A bare word behind an option, such as `--model docs`, is left alone, whatever files are called so.
    """
    absolute = []
    for before, argument in itertools.pairwise(["", *arguments]):
        is_path = (os.sep in argument or not before.startswith("-")) and Path(argument).exists()
        absolute.append(str(Path(argument).absolute()) if is_path else argument)
    return absolute


if __name__ == "__main__":
    sys.exit(main())
