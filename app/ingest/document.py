"""A document as it is read: its text, in blocks that know their headings and pages.

The parsers (`parse_*.py`) tell a `DocumentBuilder` what they meet, in reading order. It keeps the
heading path and the offsets, so no parser counts characters.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.retrieval.types import MetadataValue

PATH_SEPARATOR = " > "

# A longer "heading" is prose that somebody set in large type; as a heading it would eat the room
# that each passage beneath it has.
MAX_HEADING_CHARACTERS = 200

# Left out of every text: control characters (they break JSON readers and mean nothing), soft
# hyphens and byte order marks (they split words for the tokenizer). Tabs and newlines stay.
_CONTROL = dict.fromkeys((*range(9), *range(14, 32), *range(127, 160), 173, 65279))
_CLEAN = str.maketrans({**_CONTROL, 0x0B: "\n", 0x0C: "\n", 0x85: "\n", 0xA0: " "})
# Half of a character. Broken PDFs yield them; neither the tokenizer nor the store can encode them.
_SURROGATE = re.compile("[\ud800-\udfff]")


class UnreadableDocument(Exception):
    """A file that cannot be ingested. `reason` is a short phrase for the person who runs the job."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnclearGroups(UnreadableDocument):
    """Nobody can tell who may see the document: what is stored of it must not be seen any more either."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one document. What lies past them is reported as unreadable, never cut silently."""

    max_bytes: int = 50_000_000
    max_pages: int = 2_000
    max_characters: int = 20_000_000  # of extracted text: a small file can unpack to a huge one
    max_chunks: int = 20_000  # about 16 MB of English text, two minutes of embedding on two cores
    max_record_bytes: int = 5_000_000  # a line of a .jsonl file, which itself may be of any size
    max_unpacked_bytes: int = 100_000_000  # of one part of a packed document, such as .docx
    max_remote_bytes: int = 2_000_000_000  # of a .jsonl file in an object store: it is fetched to disk


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, list, table or code listing. `document.text[start:end] == text`."""

    text: str
    start: int
    end: int
    heading: str = ""  # path of headings above it, " > " between them
    page: int | None = None  # from 1, in paged formats
    section: int = 0  # which heading it stands under, counted: two headings can have the same words
    is_code: bool = False  # cut between lines only


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """The extracted text. Blocks are in order, do not overlap, and have a blank line between them.

    `groups` and `metadata` are what the document says of itself (front matter, a record's fields).
    """

    title: str
    text: str
    blocks: tuple[Block, ...]
    groups: tuple[str, ...] = ()
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)


class DocumentBuilder:
    """Collects headings and blocks in reading order.

    A heading becomes part of the path of what follows it, not of the text. One that has nothing
    beneath it becomes a block, so that its words are not lost.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._blocks: list[Block] = []
        self._length = 0
        self._path: list[tuple[int, str]] = []
        self._section = 0
        self._heading_is_bare = False
        self.first_heading = ""
        self.groups: tuple[str, ...] = ()
        self.metadata: dict[str, MetadataValue] = {}

    def heading(self, level: int, text: str) -> None:
        """A heading. Smaller levels stand above larger ones; only their order matters."""
        words = one_line(text)
        if not words:
            return
        if len(words) > MAX_HEADING_CHARACTERS:
            self.block(words)
            return
        self._close_headings(level)
        self._path.append((level, words))
        self._section += 1
        self._heading_is_bare = True
        self.first_heading = self.first_heading or words

    def end_headings(self, level: int) -> None:
        """What follows does not stand under the headings of this level and of larger ones."""
        self._close_headings(level)
        self._section += 1

    def block(
        self, text: str, page: int | None = None, *, is_code: bool = False, keeps_indentation: bool = False
    ) -> None:
        """A block of text. Blank ones are ignored. Raises UnreadableDocument past the limit.

        The first line keeps its indentation with `keeps_indentation`, and in code: there it says what belongs to what.
        """
        added = self._append(text, page, self._path, is_code=is_code, keeps_indentation=is_code or keeps_indentation)
        self._heading_is_bare = added == 0 and self._heading_is_bare

    def text(self) -> str:
        """All that has come, with what a heading without anything beneath it says. "" when nothing has."""
        self._close_headings(0)
        return "\n\n".join(block.text for block in self._blocks)

    def build(self, title: str) -> ParsedDocument:
        """The document. Raises UnreadableDocument when there is nothing in it to find."""
        text = self.text()
        # Rules and ornaments alone are no content: nobody can ask for them.
        if not any(character.isalnum() for block in self._blocks for character in block.text):
            raise UnreadableDocument("no text in it")
        words = one_line(title)[:MAX_HEADING_CHARACTERS].rstrip()
        return ParsedDocument(words, text, tuple(self._blocks), self.groups, self.metadata)

    @property
    def is_empty(self) -> bool:
        """Whether no block has come yet."""
        return not self._blocks

    def _append(
        self,
        text: str,
        page: int | None,
        path: list[tuple[int, str]],
        *,
        is_code: bool = False,
        keeps_indentation: bool = False,
    ) -> int:
        cleaned = clean(text).rstrip()
        body = cleaned.lstrip()
        if not body:
            return 0
        if keeps_indentation:
            body = cleaned[cleaned.rfind("\n", 0, len(cleaned) - len(body)) + 1 :]
        start = self._length + 2 if self._blocks else 0
        self._length = start + len(body)
        if self._length > self._limits.max_characters:
            raise UnreadableDocument(f"more than {self._limits.max_characters:,} characters of text")
        heading = PATH_SEPARATOR.join(words for _, words in path)
        self._blocks.append(Block(body, start, self._length, heading, page, self._section, is_code))
        return len(body)

    def _close_headings(self, level: int) -> None:
        if self._heading_is_bare and self._path[-1][0] >= level:
            self._append(self._path[-1][1], None, self._path[:-1])
            self._heading_is_bare = False
        while self._path and self._path[-1][0] >= level:
            self._path.pop()


def clean(text: str) -> str:
    """The text without control characters and broken halves of characters, lines ended by `\\n`."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_CLEAN)
    return _SURROGATE.sub("\ufffd", text)


def one_line(text: str) -> str:
    """The words of a text with single spaces between them."""
    return " ".join(clean(text).split())
