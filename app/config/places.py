"""Directories that nobody else may read, and one with a short path for sockets."""

import hashlib
import os
import stat
import tempfile
from pathlib import Path


def make_private(directory: Path) -> Path:
    """Make a directory, or close an existing one to everybody but its owner.

    Raises PermissionError when it belongs to somebody else, or is a link to another place.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{directory} is not a directory of this user; remove it, or set another SEXTANT_HOME")
    directory.chmod(0o700)
    return directory


def short_directory(home: Path) -> Path:
    """A private directory in the temporary directory that is derived from `home`, for sockets whose
    path would be too long there (Linux ends it at 107 bytes)."""
    name = hashlib.blake2b(str(home).encode(), digest_size=5).hexdigest()
    return make_private(Path(tempfile.gettempdir()) / f"sextant-{name}")
