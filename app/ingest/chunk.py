"""A parsed document to the passages that are embedded and cited."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import PurePosixPath

from app.ingest.document import PATH_SEPARATOR, Block, ParsedDocument
from app.ingest.split import Piece, TokenCounter, split
from app.retrieval.types import Chunk, MetadataValue

# Long enough to hold a thought, short enough that its vector means one thing, that four of them fit
# `retrieval.max_context_tokens`, and that the model's 256 tokens hold it with its headings.
TARGET_TOKENS = 200

# A target's sixth of what came before is repeated where a block is cut: an "it" finds what it means.
_OVERLAP_SHARE = 6

# A quarter of the input for title and headings; longer ones are cut.
_PREFIX_SHARE = 4

# Files whose names say nothing of what is in them.
_CALLED_ALIKE = frozenset("readme index main default home changelog license licence notes untitled".split())
_FILE_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,9}")
_WORD = re.compile(r"[^\W_]{2,}")
_NAMED = ": "

_SPECIAL_TOKENS = 2  # [CLS] and [SEP], which every input gets


def chunk(
    document: ParsedDocument,
    counter: TokenCounter,
    *,
    name: str,
    tenant: str,
    content_hash: str,
    max_tokens: int,
    groups: tuple[str, ...] = (),
    metadata: Mapping[str, MetadataValue] | None = None,
) -> list[Chunk]:
    """Cut a document into passages, in order. The same input always gives the same passages.

    - `document.text[chunk.start:chunk.end] == chunk.text`; every non-blank character is in a passage.
    - A passage never spans two headings or two pages.
    - `embedding_text(chunk)` has at most `max_tokens` tokens, [CLS] and [SEP] included.
    - Small blocks under one heading are merged up to `TARGET_TOKENS`. A block that fits the model is
      never cut; one that does not is cut at sentences, and its passages overlap by whole sentences.
    """
    title, headings = _fitted(document, titled(document.title, name), counter, max_tokens // _PREFIX_SHARE)
    prefixes = [_prefix(title, heading) for heading in headings.values()]
    room = max_tokens - _SPECIAL_TOKENS - max(counter.count_tokens(prefixes), default=0)
    target = min(TARGET_TOKENS, room)
    blocks = document.blocks
    whole = (Piece(block.start, block.end, at, is_code=block.is_code) for at, block in enumerate(blocks))
    pieces = split(document.text, whole, counter, room, target)
    chunks: list[Chunk] = []
    for _, group in groupby(pieces, key=lambda piece: _place(blocks[piece.block])):
        for packed in _pack(list(group), target, room):
            first = blocks[packed[0].block]
            start, end = packed[0].start, packed[-1].end
            chunks.append(
                Chunk(
                    document=name,
                    tenant=tenant,
                    ordinal=len(chunks),
                    text=document.text[start:end],
                    start=start,
                    end=end,
                    title=title,
                    heading=headings[first.heading],
                    page=first.page,
                    content_hash=content_hash,
                    groups=groups,
                    metadata=metadata or {},
                )
            )
    return chunks


def embedding_text(chunk: Chunk) -> str:
    """What is embedded: title and headings, then the passage.

    A passage such as "It defaults to 30." is only found by what it is about with them before it.
    """
    prefix = _prefix(chunk.title, chunk.heading)
    return f"{prefix}\n\n{chunk.text}" if prefix else chunk.text


def titled(title: str, name: str) -> str:
    """The title, with the file's name in front where no word of that is in it.

    "What is it?" says nothing of what the file `packages/httpx.md` is about, and its passages may say as little: on the
    training half of evals/retrieval recall@5 by meaning rose by two points. Of a file that is called as many are, its
    folder says more. Ids of records have no suffix, and are left alone.
    """
    path = PurePosixPath(name)
    if not _FILE_SUFFIX.fullmatch(path.suffix):
        return title
    called = path.parent.name if path.stem.casefold() in _CALLED_ALIKE else path.stem
    words = [word for word in _WORD.findall(called) if not word.isdigit()]
    if not words or any(word.casefold() in title.casefold() for word in words):
        return title
    return f"{' '.join(words)}{_NAMED}{title}" if title else " ".join(words)


def _place(block: Block) -> tuple[int, int | None]:
    return block.section, block.page


def _pack(pieces: Sequence[Piece], target: int, room: int) -> Iterator[list[Piece]]:
    """Fill passages up to `target`; up to `room` where that takes the rest and leaves no crumb."""
    current: list[Piece] = []
    weight = 0
    rest = sum(piece.weight for piece in pieces)
    for piece in pieces:
        full = weight + piece.weight > target and weight + rest > room
        if current and (full or piece.glued):
            yield current
            current = _overlap(current, piece, target)
            weight = sum(kept.weight for kept in current)
        current.append(piece)
        weight += piece.weight
        rest -= piece.weight
    if current:
        yield current


def _overlap(packed: Sequence[Piece], following: Piece, target: int) -> list[Piece]:
    """The last pieces of a passage that the next one repeats: of the same block only, never all."""
    room = min(target // _OVERLAP_SHARE, target - following.weight)
    kept: list[Piece] = []
    for piece in reversed(packed[1:]):
        room -= piece.weight
        if room < 0 or following.glued or piece.glued or piece.block != following.block:
            break
        kept.insert(0, piece)
    return kept


def _prefix(title: str, heading: str) -> str:
    # A document's first heading is often its title; said twice it would weigh twice.
    if not title or heading == title or heading.startswith(title + PATH_SEPARATOR):
        return heading
    named, _, own = title.partition(_NAMED)
    if own and (heading == own or heading.startswith(own + PATH_SEPARATOR)):
        return f"{named}{_NAMED}{heading}"
    return f"{title}\n{heading}" if heading else title


def _fitted(document: ParsedDocument, title: str, counter: TokenCounter, budget: int) -> tuple[str, dict[str, str]]:
    """The title and each heading path, cut so that no prefix has more than `budget` tokens.

    Title and path get half each; a path that begins with the title, and so stands alone, gets all.
    Of a path that is too long the nearest headings stay.
    """
    half = budget // 2
    title = _cut(title, counter, half)
    paths = list(dict.fromkeys(block.heading for block in document.blocks))
    fitted: dict[str, str] = {}
    for path, tokens in zip(paths, counter.count_tokens(paths) if paths else [], strict=True):
        allowed = budget if _prefix(title, path) == path else half
        fitted[path] = path if tokens <= allowed else _cut_path(path, counter, half)
    return title, fitted


def _cut_path(path: str, counter: TokenCounter, budget: int) -> str:
    headings = path.split(PATH_SEPARATOR)
    while len(headings) > 1 and counter.count_tokens([PATH_SEPARATOR.join(headings)])[0] > budget:
        del headings[0]
    return _cut(PATH_SEPARATOR.join(headings), counter, budget)


def _cut(text: str, counter: TokenCounter, budget: int) -> str:
    """The beginning of a short text, at most `budget` tokens of it."""
    while text and (tokens := counter.count_tokens([text])[0]) > budget:
        text = text[: min(len(text) - 1, len(text) * budget // tokens)].rstrip()
    return text
