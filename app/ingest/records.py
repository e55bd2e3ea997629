"""Records: documents that lie many in a file (.jsonl: one a line; .json: a list of them, or one).

A record is a JSON object with `text`, and where it has them `id` (or `_id`), `title`, `groups`, `metadata`; of its
other fields those with one value are metadata too. The id is the document's name.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import orjson

from app.ingest.attributes import read_groups, read_metadata, refuse_misplaced_groups
from app.ingest.decode import decode
from app.ingest.document import (
    MAX_HEADING_CHARACTERS,
    PATH_SEPARATOR,
    Block,
    Limits,
    ParsedDocument,
    UnclearGroups,
    UnreadableDocument,
    one_line,
)

_FIELDS = frozenset({"id", "_id", "title", "text", "groups", "metadata"})
MAX_NAME_CHARACTERS = 1_000

_PIECE_BYTES = 1 << 20

# Replaced by one character each: offsets must mean the same in the record's text and in what is stored.
_SAME_LENGTH = {
    **dict.fromkeys((*range(9), *range(14, 32), *range(127, 133), *range(134, 160), 65279), " "),
    **dict.fromkeys((0x0B, 0x0C, 0x0D, 0x85), "\n"),
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
}
_HEADING = re.compile(r"(#{1,6})[ \t]+(\S.*)")  # Markdown's, which texts of records often keep


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a .jsonl file. `data` is None where it is too long to be read."""

    number: int  # from 1
    start: int  # its first byte in the file
    data: bytes | None


class ParsedRecord(ParsedDocument):
    """A record's document. Its title, if it has one, is its own and never made from the name of a file."""

    __slots__ = ()


def read_lines(file: IO[bytes], limits: Limits) -> Iterator[Line]:
    """The lines that are not blank, whatever the size of the file. Never holds more of one than the limit."""
    number = start = 0
    while data := file.readline(limits.max_record_bytes + 1):
        number += 1
        length = len(data)
        if length <= limits.max_record_bytes or data.endswith(b"\n"):
            if data.strip(b"\xef\xbb\xbf \t\r\n"):
                yield Line(number, start, data)
        else:
            while data and not data.endswith(b"\n"):
                data = file.readline(_PIECE_BYTES)
                length += len(data)
            yield Line(number, start, None)
        start += length


def record_in(data: bytes) -> dict[str, Any]:
    """The record in a line. Raises UnreadableDocument."""
    try:
        return as_record(orjson.loads(data.removeprefix(b"\xef\xbb\xbf")))
    except orjson.JSONDecodeError as error:
        raise UnreadableDocument("not valid JSON") from error


def as_record(content: Any) -> dict[str, Any]:
    """The same, known to be an object. Raises UnreadableDocument for other JSON."""
    if not isinstance(content, dict):
        raise UnreadableDocument("no JSON object")
    return content


def records_of_json(data: bytes) -> list[Any] | None:
    """What a .json file lists, if there is a record in it; one record alone counts as a list. None: it is other JSON.

    One record is enough, and the items that are none are for the caller to refuse: as a text, which has no groups, the
    file would show to everybody what its records show to their groups. Raises UnclearGroups for other JSON that names
    groups, UnreadableDocument when it is no JSON at all.
    """
    try:
        content = orjson.loads(decode(data).encode("utf-8", "replace"))
    except orjson.JSONDecodeError as error:
        raise UnreadableDocument("not valid JSON") from error
    items = content if isinstance(content, list) else [content]
    objects = [item for item in items if isinstance(item, dict)]
    if any("text" in each for each in objects):
        return items
    for each in objects:
        refuse_misplaced_groups(each)
        if read_groups(each.get("groups")):
            raise UnclearGroups("it names groups, and has no record with `text`")
    return None


def name_of(record: dict[str, Any]) -> str:
    """Its id; "" where it has none. Raises UnreadableDocument for an id that is no name."""
    given = record.get("id", record.get("_id"))
    if given is None:
        return ""
    if isinstance(given, bool) or not isinstance(given, str | int):
        raise UnreadableDocument("its id is neither text nor a whole number")
    name = str(given)
    if name != name.strip() or not name.isprintable() or not 0 < len(name) <= MAX_NAME_CHARACTERS:
        raise UnreadableDocument("its id is blank, too long or has unprintable characters")
    return name


def parse_record(record: dict[str, Any], limits: Limits) -> ParsedDocument:
    """The document that a record is. Offsets are those of its own `text`. Raises UnreadableDocument."""
    text, title = record.get("text"), record.get("title")
    if not isinstance(text, str):
        raise UnreadableDocument("a record without `text`" if text is None else "its `text` is no text")
    if len(text) > limits.max_characters:
        raise UnreadableDocument(f"more than {limits.max_characters:,} characters of text")
    metadata = record.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise UnreadableDocument("its `metadata` is no object")
    refuse_misplaced_groups(record)
    own = {key: value for key, value in record.items() if key not in _FIELDS}
    text = text.replace("\r\n", " \n").translate(_SAME_LENGTH)
    words = one_line(title)[:MAX_HEADING_CHARACTERS].rstrip() if isinstance(title, str) else ""
    blocks = tuple(_blocks(text))
    if not any(character.isalnum() for block in blocks for character in block.text):
        # A title alone can be found, too; it is then the text.
        if not words:
            raise UnreadableDocument("no text in it")
        text, blocks = words, (Block(words, 0, len(words)),)
    return ParsedRecord(
        words, text, blocks, read_groups(record.get("groups")), read_metadata({**own, **(metadata or {})})
    )


def _blocks(text: str) -> Iterator[Block]:
    """Paragraphs. A heading stays a part of the text, at the top of what stands under it."""
    path: list[tuple[int, str]] = []
    section = 0
    for paragraph in _paragraphs(text):
        start, end = paragraph
        found = _HEADING.match(text, start, end)
        if found and len(found[2]) <= MAX_HEADING_CHARACTERS:
            level = len(found[1])
            path = [*(above for above in path if above[0] < level), (level, one_line(found[2].rstrip("# ")))]
            section += 1
        heading = PATH_SEPARATOR.join(words for _, words in path)
        yield Block(text[start:end], start, end, heading, None, section)


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Where the stretches between blank lines begin and end, without blanks at the ends."""
    at, start, end = 0, -1, -1
    for line in text.split("\n"):
        stripped = line.strip()
        if stripped:
            first = at + len(line) - len(line.lstrip())
            start = first if start < 0 else start
            end = at + len(line.rstrip())
        elif start >= 0:
            yield start, end
            start = -1
        at += len(line) + 1
    if start >= 0:
        yield start, end
