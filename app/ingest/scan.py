"""What is there: every document in the files that were found, with a digest of its content."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import orjson

from app.ingest.attributes import Attributes
from app.ingest.discover import Skipped, Source
from app.ingest.document import Limits, UnclearGroups, UnreadableDocument
from app.ingest.parse import RECORD_LINES, open_file, read_bytes
from app.ingest.records import as_record, name_of, read_lines, record_in, records_of_json

# Raise it with any change to parsing or chunking that alters what is stored: it is part of every
# document's hash, so the next run ingests all of them anew.
RECIPE_VERSION = 5

RECORD = ".record"
"""The kind of content that is one record."""


@dataclass(frozen=True, slots=True)
class Found:
    """A document that is there, and where. Without `at` and `index` it is the whole file."""

    name: str
    source: Source
    content_hash: str
    size: int  # bytes
    at: tuple[int, int] | None = None  # first byte and length of its line
    index: int | None = None  # place in a .json list

    @property
    def is_record(self) -> bool:
        """Whether it is one of the documents of its file."""
        return self.at is not None or self.index is not None


@dataclass(frozen=True, slots=True)
class Content:
    """A document's bytes, ready to be parsed anywhere."""

    name: str
    file_name: str  # the suffix names the parser; the rest is the title of a document without one
    data: bytes
    content_hash: str
    source: str = ""  # the file that a record lies in


@dataclass(slots=True)
class Scan:
    """What a run has found. `found` is sorted by name."""

    found: dict[str, Found] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    complete: set[str] = field(default_factory=set)  # files of records that were read to their last line
    split: set[str] = field(default_factory=set)  # files with a record in them, which are no documents themselves


class Hasher:
    """Digests that change with the content, the recipe, the embedding model, and what a run says of all documents."""

    def __init__(self, model: str, run: Attributes) -> None:
        about = json.dumps([RECIPE_VERSION, model, run.groups, sorted(run.metadata.items())])
        self._base = hashlib.sha256(f"sextant-ingest {about}\n".encode())

    def digest(self, kind: str, data: bytes) -> str:
        """Hex digest."""
        digest = self._base.copy()
        digest.update(f"{kind}\n".encode())
        digest.update(data)
        return digest.hexdigest()


def scan(sources: Iterable[Source], hasher: Hasher, limits: Limits, on_file: Callable[[], None] = lambda: None) -> Scan:
    """Read everything once. What cannot be read, and the second of two documents of one name, is in `skipped`."""
    result = Scan()
    for source in sources:
        whole = True
        try:
            for item in _documents(source, hasher, limits):
                if isinstance(item, Skipped):
                    result.skipped.append(item)
                    whole = False
                elif item.name in result.found:
                    other = result.found[item.name].source.name
                    where = "twice in its file" if other == source.name else f"also in {other}"
                    result.skipped.append(Skipped(_where(source, item), f"its name {item.name} is there {where}"))
                else:
                    result.found[item.name] = item
                if isinstance(item, Found) and item.is_record:
                    result.split.add(source.name)
        except UnreadableDocument as error:
            result.skipped.append(Skipped(source.name, error.reason, withdraws=isinstance(error, UnclearGroups)))
            whole = False
        if whole:
            result.complete.add(source.name)
        on_file()
    result.found = dict(sorted(result.found.items()))
    return result


def load(found: Found, hasher: Hasher, limits: Limits) -> Content:
    """Read a document again. Its hash is that of the bytes at hand: the file may have changed since.

    Raises UnreadableDocument.
    """
    source = found.source
    if not found.is_record:
        data = read_bytes(source.path, limits)
        return Content(found.name, _file_name(source), data, hasher.digest(source.kind, data))
    record = _line(found, limits) if found.at else _item(found, limits)
    if (name_of(record) or found.name) != found.name:
        raise UnreadableDocument("changed while it was read; run the job again")
    data = _normal(record)
    return Content(found.name, f"{found.name}{RECORD}", data, hasher.digest(RECORD, data), source.name)


def _documents(source: Source, hasher: Hasher, limits: Limits) -> Iterator[Found | Skipped]:
    if source.kind in RECORD_LINES:
        yield from _lines(source, hasher, limits)
        return
    data = read_bytes(source.path, limits)
    records = records_of_json(data) if source.kind == ".json" and data else None
    if records is None:
        yield Found(source.name, source, hasher.digest(source.kind, data), len(data))
        return
    for index, record in enumerate(records):
        fallback = source.name if len(records) == 1 else f"{source.name}#{index + 1}"
        yield _found(record, fallback, source, hasher, index=index)


def _lines(source: Source, hasher: Hasher, limits: Limits) -> Iterator[Found | Skipped]:
    with open_file(source.path) as file:
        for line in read_lines(file, limits):
            label = f"{source.name}#{line.number}"
            if line.data is None:
                yield Skipped(label, f"a line of more than {limits.max_record_bytes / 1e6:g} MB")
                continue
            try:
                record = record_in(line.data)
            except UnreadableDocument as error:
                yield Skipped(label, error.reason)
                continue
            yield _found(record, label, source, hasher, at=(line.start, len(line.data)))


def _found(item: Any, label: str, source: Source, hasher: Hasher, **place: Any) -> Found | Skipped:
    try:
        record = as_record(item)
        name = name_of(record) or label
        data = _normal(record)
    except UnreadableDocument as error:
        return Skipped(label, error.reason)
    return Found(name, source, hasher.digest(RECORD, data), len(data), **place)


def _normal(record: dict[str, Any]) -> bytes:
    """How a record is written does not matter, only what it says. Raises UnreadableDocument."""
    try:
        return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:  # it reads deeper nesting than it writes
        raise UnreadableDocument("JSON that is nested too deeply") from error


def _line(found: Found, limits: Limits) -> dict[str, Any]:
    start, length = found.at or (0, 0)
    with open_file(found.source.path) as file:
        file.seek(start)
        return record_in(file.read(length))


def _item(found: Found, limits: Limits) -> dict[str, Any]:
    records = _records(found.source, limits)
    if found.index is None or found.index >= len(records):
        raise UnreadableDocument("changed while it was read; run the job again")
    return as_record(records[found.index])


@lru_cache(maxsize=2)  # its documents are asked for one after the other
def _records(source: Source, limits: Limits) -> list[Any]:
    return records_of_json(read_bytes(source.path, limits)) or []


def _where(source: Source, found: Found) -> str:
    return source.name if found.name == source.name else f"{source.name}: {found.name}"


def _file_name(source: Source) -> str:
    if "://" not in source.name:
        return f"{source.path.stem}{source.kind}"
    parts = urlsplit(source.name)
    return f"{PurePosixPath(parts.path).stem or parts.netloc}{source.kind}"
