"""Directories that nobody else may read, and one with a short path for sockets."""

import fcntl
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TextIO


def make_private(directory: Path) -> Path:
    """Make a directory, or close an existing one to everybody but its owner.

    Raises PermissionError when it belongs to somebody else.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_uid != os.getuid():
        raise PermissionError(f"{directory} belongs to another user; set another SEXTANT_HOME")
    directory.chmod(0o700)
    return directory


def hold(directory: Path, what: str) -> TextIO:
    """Keep a directory, made where it is not there, for this process alone, as long as the returned file is open.

    Raises RuntimeError when another process has it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    file = (directory / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise RuntimeError(f"another process has {what} in {directory} open; stop it, or set another home") from None
    return file


MAX_SOCKET_PATH = 100  # bytes; Linux allows 107


def socket_in(home: Path, folder: str, name: str) -> Path:
    """Where a Unix socket of this home lies; in `short_directory` where its path would be too long."""
    path = home / folder / name
    return path if len(str(path).encode()) <= MAX_SOCKET_PATH else short_directory(home) / name


def short_directory(home: Path) -> Path:
    """A private directory in the temporary directory that is derived from `home`, for sockets whose
    path would be too long there (Linux ends it at 107 bytes).

    Raises PermissionError when somebody else has put something in its place.
    """
    name = hashlib.blake2b(str(home).encode(), digest_size=5).hexdigest()
    directory = Path(tempfile.gettempdir()) / f"sextant-{name}"
    if directory.is_symlink():  # anybody can write there
        raise PermissionError(f"{directory} is a link to another place; remove it, or set another SEXTANT_HOME")
    return make_private(directory)
