"""Object stores (s3://, gs:// and others), as fsspec reaches them. Credentials are those of the environment."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any

from app.ingest.discover import FILE_SCHEME, InputError, Skipped
from app.ingest.document import UnreadableDocument
from app.ingest.glob import split_glob
from app.ingest.parse import SUPPORTED

# What each protocol needs beside fsspec. Protocols that are not here are not taken: many of fsspec's reach into the
# network that the job runs in (http, ftp, sftp, webhdfs) or read one protocol through another.
PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "oss": "ossfs",
    "oci": "ocifs",
    "memory": "",
}
# In their URLs a name before "@" is a container's or a bucket's: abfs://container@account.dfs.core.windows.net/a.md.
_NAMED_BEFORE_AT = frozenset({"az", "abfs", "abfss", "oci"})
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file in an object store."""

    name: str  # its URL
    path: str  # as its file system calls it
    files: Any  # fsspec.AbstractFileSystem

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.path).suffix.lower()

    def fetch(self, target: IO[bytes], max_bytes: int) -> None:
        """Write it into `target`. Raises UnreadableDocument."""
        size = 0
        try:
            with self.files.open(self.path, "rb") as file:
                while piece := file.read(_CHUNK_BYTES):
                    size += len(piece)
                    if size > max_bytes:
                        raise UnreadableDocument(f"larger than {max_bytes / 1e6:g} MB")
                    target.write(piece)
        except UnreadableDocument:
            raise
        except Exception as error:  # each file system has errors of its own
            raise UnreadableDocument(f"cannot be read: {type(error).__name__}") from error


@dataclass(frozen=True, slots=True)
class RemoteRoot:
    """A given folder of an object store, and the names of all that is in it."""

    name: str
    names: frozenset[str]

    def lost(self, name: str) -> bool:
        """See `app.ingest.discover.Root.lost`."""
        return (name == self.name or name.startswith(f"{self.name}/")) and name not in self.names


def list_objects(url: str) -> tuple[list[RemoteFile], list[Skipped], RemoteRoot]:
    """The documents that a URL means: one file, all in a folder, or those that match a glob.

    Raises InputError when the store cannot be reached or there is nothing there.
    """
    scheme, _, rest = url.partition("://")
    _check(url, scheme, rest)
    files, path = _open(url, scheme)
    folder, pattern = _split(path)
    try:
        found = [path] if pattern is None and files.isfile(path) else sorted(files.find(folder))
    except Exception as error:  # as above
        raise InputError(f"{url} cannot be listed: {type(error).__name__}; {_first_line(error)}") from None
    if not found:
        raise InputError(f"there is nothing at {url}")
    named = {_url(scheme, rest, each): each for each in found}
    wanted: list[RemoteFile] = []
    skipped: list[Skipped] = []
    for name, each in named.items():
        below = each.removeprefix(folder).lstrip("/")
        if any(part.startswith(".") for part in PurePosixPath(below).parts) or (
            pattern and not pattern.fullmatch(below)
        ):
            continue
        file = RemoteFile(name, each, files)
        if file.suffix in SUPPORTED:
            wanted.append(file)
        else:
            skipped.append(Skipped(name, f"unsupported type {file.suffix or '(no suffix)'}"))
    if pattern and not wanted and not skipped:
        raise InputError(f"nothing matches {url}")
    return wanted, skipped, RemoteRoot(_url(scheme, rest, folder).rstrip("/"), frozenset(named))


def _check(url: str, scheme: str, rest: str) -> None:
    if scheme not in PACKAGES or "::" in url:
        known = ", ".join((FILE_SCHEME, *(f"{each}://" for each in ("http", "https", *PACKAGES))))
        raise InputError(f"{scheme or url}:// is not read; what is: {known}")
    user, at, _ = rest.partition("/")[0].rpartition("@")
    if at and (":" in user or scheme not in _NAMED_BEFORE_AT):
        raise InputError(f"{scheme}:// URLs with credentials in them are not taken; set them in the environment")


def _url(scheme: str, rest: str, path: str) -> str:
    """The URL of a path. adlfs keeps the container of `container@account` only: two accounts may have the same."""
    authority = rest.partition("/")[0]
    container, at, _ = authority.rpartition("@")
    first, slash, below = path.partition("/")
    return f"{scheme}://{authority if at and first == container else first}{slash}{below}"


def _open(url: str, scheme: str) -> tuple[Any, str]:
    import fsspec  # type: ignore[import-untyped]  # it has no types

    try:
        files, path = fsspec.core.url_to_fs(url)
    except ImportError:
        package = PACKAGES[scheme]
        raise InputError(f"{scheme}:// needs the package {package}: pip install {package}") from None
    except Exception as error:  # credentials, regions: each file system has errors of its own
        raise InputError(f"{url} cannot be opened: {type(error).__name__}; {_first_line(error)}") from None
    return files, str(path)


def _split(path: str) -> tuple[str, re.Pattern[str] | None]:
    try:
        folder, pattern = split_glob(PurePosixPath(path))
    except re.error as error:
        raise InputError(f"{path} is no pattern: {error}") from None
    return str(folder) if pattern else path.rstrip("/"), pattern


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
