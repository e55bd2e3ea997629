"""From what the user names, here and elsewhere, to files on this machine."""

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from app.ingest.discover import FILE_SCHEME, Discovery, InputError, Place, Skipped, Source, discover
from app.ingest.document import Limits, UnreadableDocument
from app.ingest.parse import RECORD_LINES
from app.ingest.remote.objects import RemoteFile, list_objects
from app.ingest.remote.web import Gone, Web

_AT_A_TIME = 8


@dataclass(frozen=True, slots=True)
class GonePage:
    """A page that its server no longer has."""

    name: str

    def lost(self, name: str) -> bool:
        """See `app.ingest.discover.Root.lost`."""
        return name == self.name


def gather(inputs: Sequence[str], spool: Path, limits: Limits, web: Web, base: Path | None = None) -> Discovery:
    """Find the documents; what is elsewhere is fetched into the folder `spool`.

    `inputs` are files, folders and globs as `discover` takes them, and URLs: of web pages, and of files, folders and
    globs in object stores. A URL is the document's name. Raises InputError.
    """
    here = [text for text in inputs if _is_here(text)]
    pages = list(
        dict.fromkeys(text.partition("#")[0] for text in inputs if text.lower().startswith(("http://", "https://")))
    )
    stores = [text for text in inputs if not _is_here(text) and not text.lower().startswith(("http://", "https://"))]
    found = discover(here, base) if here else Discovery((), (), ())
    roots: list[Place] = list(found.roots)
    skipped = list(found.skipped)
    files: dict[str, RemoteFile] = {}
    for url in stores:
        wanted, left_out, root = list_objects(url)
        files.update((file.name, file) for file in wanted)
        skipped.extend(left_out)
        roots.append(root)
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        fetched = [
            *pool.map(lambda file: _fetch_object(file, spool, limits), files.values()),
            *pool.map(lambda url: _fetch_page(url, spool, web), pages),
        ]
    sources = [each for each in fetched if isinstance(each, Source)]
    for each in fetched:
        if isinstance(each, Skipped):
            skipped.append(each)
        elif isinstance(each, GonePage):
            roots.append(each)
            skipped.append(Skipped(each.name, "the server says that it is gone"))
    # A page that is gone is something to do: what is stored of it goes.
    if not sources and not found.sources and not any(isinstance(each, GonePage) for each in fetched):
        reasons = "; ".join(f"{each.name}: {each.reason}" for each in skipped[:3])
        raise InputError(f"no documents in {' '.join(inputs)}" + (f" ({reasons})" if reasons else ""))
    return Discovery(
        tuple(sorted((*found.sources, *sources), key=lambda source: source.name)),
        tuple(sorted(skipped, key=lambda each: each.name)),
        tuple(dict.fromkeys(roots)),
    )


def _is_here(text: str) -> bool:
    return "://" not in text or text.startswith(FILE_SCHEME)


def _fetch_object(file: RemoteFile, spool: Path, limits: Limits) -> Source | Skipped:
    most = limits.max_remote_bytes if file.suffix in RECORD_LINES else limits.max_bytes
    path = _spooled(spool)
    try:
        with path.open("wb") as target:
            file.fetch(target, most)
    except UnreadableDocument as error:
        path.unlink()
        return Skipped(file.name, error.reason)
    return Source(file.name, path, file.suffix)


def _fetch_page(url: str, spool: Path, web: Web) -> Source | Skipped | GonePage:
    path = _spooled(spool)
    try:
        with path.open("wb") as target:
            return Source(url, path, web.fetch(url, target))
    except Gone:
        return GonePage(url)
    except UnreadableDocument as error:
        return Skipped(url, error.reason)


def _spooled(spool: Path) -> Path:
    with tempfile.NamedTemporaryFile(dir=spool, delete=False) as file:
        return Path(file.name)
