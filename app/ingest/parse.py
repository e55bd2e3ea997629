"""The one way in: a file to a `ParsedDocument`, whatever its format."""

from collections.abc import Callable
from pathlib import Path, PurePath

from app.ingest.document import DEFAULT_LIMITS, DocumentBuilder, Limits, ParsedDocument, UnreadableDocument
from app.ingest.parse_html import read_html
from app.ingest.parse_markdown import read_markdown
from app.ingest.parse_pdf import read_pdf
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
}


def is_supported(path: PurePath) -> bool:
    """Whether the suffix is one of `READERS`; case does not matter."""
    return path.suffix.lower() in READERS


def parse(path: Path, limits: Limits = DEFAULT_LIMITS) -> ParsedDocument:
    """Read and parse a file. Raises UnreadableDocument, and nothing else, when that cannot be done."""
    return parse_bytes(read_bytes(path, limits), path.name, limits)


def read_bytes(path: Path, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The content of a file. Raises UnreadableDocument when it is too large or cannot be opened."""
    try:
        with path.open("rb") as file:
            data = file.read(limits.max_bytes + 1)  # not stat(): the file may grow in between
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise UnreadableDocument(f"cannot be opened: {reason}") from error
    if len(data) > limits.max_bytes:
        raise UnreadableDocument(f"larger than {limits.max_bytes / 1e6:g} MB")
    return data


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
