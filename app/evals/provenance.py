"""Which code and which configuration an eval ran with."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

from app.config import StackConfig

# Where state lies and where traces go differ between machines; neither changes an answer.
NOT_COMPARED = {"home", "observability"}


def config_digest(config: StackConfig) -> str:
    """sha256, in hex, of every setting that can change an answer or its latency."""
    settings = config.model_dump(mode="json", exclude=NOT_COMPARED)
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def git_commit(folder: Path) -> str | None:
    """The commit checked out in `folder`, with `-dirty` when files differ from it.

    None outside a checkout, as in a Ray job, whose working directory travels without `.git`.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return None
    return f"{commit}-dirty" if _git(folder, "status", "--porcelain") else commit


def _git(folder: Path, *arguments: str) -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
