"""From what the user names (files, folders, globs) to the documents that are meant.

A document's name is its path as one would type it from the working folder: `docs/guide.md`. What lies
elsewhere is named from the given folder on: `/data/handbook/a.pdf`, found in `/data/handbook`, is
`handbook/a.pdf`. What is given as a file:// URL is named by its whole URL. The name is the document's
identity in the knowledge base, so run the job from the same folder each time.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Protocol

from app.ingest.glob import split_glob
from app.ingest.parse import SUPPORTED, is_supported

FILE_SCHEME = "file://"
"""Begins the URL of a path of this machine."""


class InputError(ValueError):
    """What the user named cannot be ingested. `str()` is the sentence that they read."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to ingest: a document, or many records."""

    name: str
    path: Path
    suffix: str = ""  # what names the parser, where it is not the path's own

    @property
    def kind(self) -> str:
        """The suffix that names the parser."""
        return (self.suffix or self.path.suffix).lower()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is left out, and why."""

    name: str
    reason: str
    withdraws: bool = False  # what is stored of it goes, too; else that stays


class Place(Protocol):
    """Where documents come from; says which of its documents are there no more."""

    def lost(self, name: str) -> bool:
        """Whether `name` belongs to this place and no such file is there any more."""
        ...


@dataclass(frozen=True, slots=True)
class Root:
    """A given file or folder, with the name that stands before the names of what is in it."""

    name: str
    path: Path

    def name_of(self, path: Path) -> str:
        """The name of the root itself or of something in it."""
        below = path.relative_to(self.path).parts
        return "/".join((self.name, *below) if self.name else below) or "."

    def lost(self, name: str) -> bool:
        """Whether `name` belongs to this root and no such file is there any more."""
        document = PurePosixPath(name)
        if not document.is_relative_to(self.name):
            return False
        try:
            (self.path / document.relative_to(self.name)).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return True
        except (OSError, ValueError):  # not to be seen is not the same as gone
            return False
        return False


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found. Sources and skipped files are sorted by name."""

    sources: tuple[Source, ...]
    skipped: tuple[Skipped, ...]
    roots: tuple[Place, ...]


def discover(inputs: Sequence[str], base: Path | None = None) -> Discovery:
    """Find the documents. `base` is the folder that relative inputs start from: the working folder.

    A folder means all files in it, at any depth. A glob (`docs/**/*.md`) means the files it matches.
    Left out without a word: hidden files and folders below what is given. Left out and reported:
    unsupported suffixes, symbolic links that leave the folder, what cannot be listed.

    Raises InputError when an input does not exist, when there is no document in any of them, and when
    two different files would get the same name.
    """
    base = _absolute(base or Path.cwd())
    found: dict[Path, Source] = {}  # by real path: a file that is named twice is one document
    skipped: dict[str, str] = {}
    roots: list[Root] = []
    for text in inputs:
        folder, pattern = _locate(text, base)
        root = Root(_name_of_root(folder, base, is_url=text.startswith(FILE_SCHEME)), folder)
        files = [item for item in _walk(folder) if _matches(item[0], folder, pattern)]
        if not files and pattern:
            raise InputError(f"nothing matches {text}")
        names: list[str] = []
        for path, problem in files:
            name = root.name_of(path)
            reason = problem or _reason_to_skip(name, path, folder)
            if reason:
                skipped[_printable(name)] = reason
            else:
                names.append(name)
                _add(found, Source(name, path))
        roots.extend(_roots(root, names))
    sources = sorted(found.values(), key=lambda source: source.name)
    for one, other in pairwise(sources):
        if one.name == other.name:
            raise InputError(
                f"{one.path} and {other.path} would both be called {one.name}; "
                "run the job from a folder that holds both, so that their names differ"
            )
    if not sources:
        raise InputError(_nothing_found(inputs, skipped))
    left_out = tuple(Skipped(name, reason) for name, reason in sorted(skipped.items()))
    return Discovery(tuple(sources), left_out, tuple(dict.fromkeys(roots)))


def _absolute(path: Path) -> Path:
    # Not resolve(): names follow the path as it was typed, through links.
    return Path(os.path.normpath(path.absolute()))


def _name_of_root(folder: Path, base: Path, *, is_url: bool) -> str:
    if is_url:
        return f"{FILE_SCHEME}{folder}".removesuffix("/")
    if folder == base:
        return ""
    return str(PurePosixPath(folder.relative_to(base))) if folder.is_relative_to(base) else folder.name


def _roots(root: Root, names: Sequence[str]) -> Iterator[Root]:
    """The root; for the working folder, what was found directly in it.

    All names begin with its empty one: as a root it would lay claim to documents from elsewhere.
    """
    if root.name:
        yield root
    else:
        tops = sorted({PurePosixPath(name).parts[0] for name in names})
        yield from (Root(top, root.path / top) for top in tops)


def _locate(text: str, base: Path) -> tuple[Path, re.Pattern[str] | None]:
    """The file or folder that an input means; for a glob, also the pattern of what is meant in it."""
    path = _absolute(base / Path(text.removeprefix(FILE_SCHEME)).expanduser())
    try:
        if path.exists():  # before wildcards are looked for: `[draft] plan.md` is a good file name
            return path, None
        folder, pattern = split_glob(path)
    except (OSError, ValueError, re.error) as error:
        raise InputError(f"{text} cannot be opened: {error}") from None
    if pattern is None or not folder.is_dir():
        raise InputError(f"no such file or folder: {text}")
    return folder, pattern


def _matches(path: Path, folder: Path, pattern: re.Pattern[str] | None) -> bool:
    return pattern is None or pattern.fullmatch(str(PurePosixPath(path.relative_to(folder)))) is not None


def _walk(path: Path) -> Iterator[tuple[Path, str]]:
    """Files at and below a path, in order, each with "" or a reason why it cannot be looked at."""
    pending = [path]
    while pending:
        at = pending.pop()
        if at != path and at.name.startswith("."):
            continue
        try:
            if not at.is_dir():
                yield at, ""
            elif at != path and at.is_symlink():  # not followed: it may leave the folder, or lead in circles
                yield at, "symbolic link to a folder"
            else:
                pending.extend(sorted(at.iterdir(), reverse=True))
        except OSError as error:
            yield at, f"cannot be listed: {(error.strerror or 'unknown error').lower()}"


def _reason_to_skip(name: str, path: Path, folder: Path) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is not valid UTF-8"
    try:
        if path != folder and path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            return "symbolic link that leaves the folder"
        if not path.is_file():
            return "broken symbolic link" if path.is_symlink() else "not a regular file"
    except (OSError, RuntimeError):  # RuntimeError: a link that leads to itself
        return "broken symbolic link"
    return "" if is_supported(path) else f"unsupported type {path.suffix.lower() or '(no suffix)'}"


def _add(found: dict[Path, Source], source: Source) -> None:
    """Keep one source for each real file: the file before links to it, then the longer name."""

    def rank(source: Source) -> tuple[bool, int, str]:
        return not source.path.is_symlink(), len(source.name), source.name

    known = found.setdefault(source.path.resolve(), source)
    if rank(source) > rank(known):
        found[source.path.resolve()] = source


def _printable(name: str) -> str:
    return name.encode(errors="replace").decode()


def _nothing_found(inputs: Sequence[str], skipped: dict[str, str]) -> str:
    reasons = ", ".join(sorted(set(skipped.values()))[:3])
    left_out = f" ({len(skipped)} left out: {reasons})" if skipped else ""
    return f"no documents in {' '.join(inputs)}{left_out}; supported are {' '.join(SUPPORTED)}"
