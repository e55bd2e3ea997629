"""Cutting text that is too long for one passage at the least harmful place."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

# A tokenizer may count a long blob (base64, a minified script) as one unknown token. Weighed by its
# length too, a passage stays short enough to be read and packed into a prompt. English has about 4.5
# characters a token, so 12 never touches prose.
CHARACTERS_PER_TOKEN = 12

# Chinese and Japanese end sentences without a blank: ideographic full stop, wide ! and ?
_WIDE_MARKS = "\u3002\uff01\uff1f"
_GAP = re.compile(rf"\s+|(?<=[{_WIDE_MARKS}])(?=[^\s{_WIDE_MARKS}])")
_SENTENCE_MARKS = ".!?\u2026" + _WIDE_MARKS
_CLOSERS = "\"')]}*_`\u201d\u2019\u00bb"  # quotes and brackets that close after the mark


class TokenCounter(Protocol):
    """Counts as the embedding model does.

    The count of a text must not exceed the sum of the counts of its parts, where it is cut at
    blanks or after a sentence's mark. WordPiece, which cuts there first, keeps to that.
    """

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens left out."""
        ...


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that stays in one passage. It ends with no blank, and begins with none but indentation."""

    start: int
    end: int
    block: int  # index of the block it comes from
    weight: int = 0  # tokens, or more for a blob
    glued: bool = False  # continues the word before it: joined again, the two might count differently
    is_code: bool = False  # what ends a sentence in it is a comment's or a string's


def split(text: str, pieces: Iterable[Piece], counter: TokenCounter, limit: int, target: int) -> list[Piece]:
    """Cut the pieces that weigh more than `limit`; the others stay whole.

    At sentences first (not code), then at lines, then between words, then anywhere. Every non-blank character stays
    in exactly one piece, and the order is kept. Time is linear in the text: each character is counted
    at most once for each kind of cut (but for a word of thousands of characters, log n times).
    """
    result = _weigh(text, list(pieces), counter)
    for cut in (_at_sentences, _at_lines, _between_words):
        result = _refine(text, result, counter, limit, cut)
    while any(_divisible(piece, limit) for piece in result):
        result = _refine(text, result, counter, limit, lambda _, piece: _evenly(piece, target))
    return result


def _refine(
    text: str,
    pieces: list[Piece],
    counter: TokenCounter,
    limit: int,
    cut: Callable[[str, Piece], Iterable[Piece]],
) -> list[Piece]:
    """Apply one kind of cut to what is too heavy, counting all the parts in one call."""
    parts = [part for piece in pieces if _divisible(piece, limit) for part in cut(text, piece)]
    weighed = iter(_weigh(text, parts, counter))
    coming = next(weighed, None)
    result: list[Piece] = []
    for piece in pieces:
        if not _divisible(piece, limit):
            result.append(piece)
            continue
        while coming is not None and coming.start < piece.end:
            result.append(coming)
            coming = next(weighed, None)
    return result


def _weigh(text: str, pieces: list[Piece], counter: TokenCounter) -> list[Piece]:
    counts = counter.count_tokens([text[piece.start : piece.end] for piece in pieces]) if pieces else []
    return [
        replace(piece, weight=max(1, tokens, (piece.end - piece.start) // CHARACTERS_PER_TOKEN))
        for piece, tokens in zip(pieces, counts, strict=True)
    ]


def _divisible(piece: Piece, limit: int) -> bool:
    return piece.weight > limit and piece.end - piece.start > 1


def _at_sentences(text: str, piece: Piece) -> Iterator[Piece]:
    if piece.is_code:
        return iter((piece,))
    gaps = (gap for gap in _gaps(text, piece) if gap[0] > piece.start and _ends_sentence(text, *gap))
    return _between(piece, gaps)


def _at_lines(text: str, piece: Piece) -> Iterator[Piece]:
    return _between(piece, _between_lines(text, piece))


def _between_lines(text: str, piece: Piece) -> Iterator[tuple[int, int]]:
    for start, end in _gaps(text, piece):
        if "\n" in text[start:end]:
            # A line of code keeps its indentation.
            yield start, text.rfind("\n", start, end) + 1 if piece.is_code else end


def _between_words(text: str, piece: Piece) -> Iterator[Piece]:
    # The gap before the first word too: indentation alone may be more than a passage holds.
    return _between(piece, _gaps(text, piece))


def _gaps(text: str, piece: Piece) -> Iterator[tuple[int, int]]:
    return (gap.span() for gap in _GAP.finditer(text, piece.start, piece.end))


def _between(piece: Piece, gaps: Iterable[tuple[int, int]]) -> Iterator[Piece]:
    """The parts of a piece between gaps. A glued piece's first part stays glued."""
    edges = [(0, piece.start), *gaps, (piece.end, 0)]
    for at, ((_, start), (end, _)) in enumerate(pairwise(edges)):
        if start < end:  # no blanks before the first gap
            yield replace(piece, start=start, end=end, glued=piece.glued and at == 0)


def _ends_sentence(text: str, start: int, end: int) -> bool:
    """Whether the gap `text[start:end]` lies after a sentence, a list's item or the like.

    What goes on in lower case is the same sentence: "e.g. this", or a line that an editor broke.
    """
    if text[end].islower():
        return False
    if "\n" in text[start:end]:
        return True
    last = start - 1
    while last > 0 and start - last <= 3 and text[last] in _CLOSERS:
        last -= 1
    return text[last] in _SENTENCE_MARKS


def _evenly(piece: Piece, target: int) -> Iterator[Piece]:
    length = piece.end - piece.start
    parts = min(length, max(2, -(-piece.weight // target)))
    edges = [piece.start + length * at // parts for at in range(parts + 1)]
    for at, (start, end) in enumerate(pairwise(edges)):
        yield replace(piece, start=start, end=end, glued=piece.glued or at > 0)
