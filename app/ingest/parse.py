"""The one way in: a file to a `ParsedDocument`, whatever its format."""

import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePath
from typing import IO

from app.ingest.document import DEFAULT_LIMITS, DocumentBuilder, Limits, ParsedDocument, UnreadableDocument
from app.ingest.parse_code import CODE_SUFFIXES, read_code
from app.ingest.parse_docx import read_docx
from app.ingest.parse_html import read_html
from app.ingest.parse_markdown import read_markdown
from app.ingest.parse_pdf import read_pdf
from app.ingest.parse_table import read_csv, read_tsv
from app.ingest.parse_text import read_plain, read_rst

# A reader feeds the builder and returns the title that the document gives itself, or "".
Reader = Callable[[bytes, DocumentBuilder, Limits], str]

READERS: dict[str, Reader] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".txt": read_plain,
    ".rst": read_rst,
    ".html": read_html,
    ".htm": read_html,
    ".pdf": read_pdf,
    ".docx": read_docx,
    ".csv": read_csv,
    ".tsv": read_tsv,
    # Other JSON than records (see app/ingest/records.py) is text.
    ".json": partial(read_code, suffix=".json"),
    **{suffix: partial(read_code, suffix=suffix) for suffix in CODE_SUFFIXES},
}

RECORD_LINES = (".jsonl", ".ndjson")
"""Files of records, which are read by their lines and not as one document."""

SUPPORTED = (*READERS, *RECORD_LINES)


def is_supported(path: PurePath) -> bool:
    """Whether the suffix is one of `SUPPORTED`; case does not matter."""
    return path.suffix.lower() in SUPPORTED


def parse(path: Path, limits: Limits = DEFAULT_LIMITS) -> ParsedDocument:
    """Read and parse a file. Raises UnreadableDocument, and nothing else, when that cannot be done."""
    return parse_bytes(read_bytes(path, limits), path.name, limits)


def read_bytes(path: Path, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The content of a file. Raises UnreadableDocument when it is too large or cannot be opened."""
    with open_file(path) as file:
        try:
            data = file.read(limits.max_bytes + 1)  # not stat(): the file may grow in between
        except OSError as error:
            raise UnreadableDocument(f"cannot be read: {_why(error)}") from error
    if len(data) > limits.max_bytes:
        raise UnreadableDocument(f"larger than {limits.max_bytes / 1e6:g} MB")
    return data


def open_file(path: Path) -> IO[bytes]:
    """Open a regular file; pipes and devices, which never end, are refused. Raises UnreadableDocument."""
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except OSError as error:
        raise UnreadableDocument(f"cannot be opened: {_why(error)}") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise UnreadableDocument("cannot be opened: not a regular file")
    return file


def _why(error: OSError) -> str:
    return (error.strerror or "unknown error").lower()


def parse_bytes(data: bytes, name: str, limits: Limits = DEFAULT_LIMITS) -> ParsedDocument:
    """Parse content that is already read. `name` gives the format and, failing all else, the title.

    Raises UnreadableDocument.
    """
    path = PurePath(name)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise UnreadableDocument(f"unsupported type {path.suffix or '(no suffix)'}")
    if not data:
        raise UnreadableDocument("empty file")
    builder = DocumentBuilder(limits)
    try:
        title = reader(data, builder, limits)
    except UnreadableDocument:
        raise
    except Exception as error:
        # The boundary to four libraries that read hostile input: what they raise is not enumerable.
        raise UnreadableDocument(f"damaged {path.suffix.lower()[1:]} document") from error
    return builder.build(title or builder.first_heading or path.stem)
