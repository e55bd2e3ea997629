"""A long text in overlapping windows, cut where sentences or lines end."""

import re
from itertools import pairwise

BYTES = (
    640  # of a window: the embedding model reads 256 tokens, and a token is seldom shorter than two and a half bytes
)
# A window begins with what the one before ended with: an instruction that lies on a border is whole in one of them.
OVERLAP_BYTES = 110

# Where something new may begin: a sentence, a line, an element, a value in JSON or CSV.
_END = re.compile(
    r"(?:[.!?](?=[\s\"'»”)\]])[\"'»”)\]]?|[。！？؟]|\n|>(?=\s*[^<\s])|[\"”][,;]|;(?=\s)|\s[/|]\s|\s-{2,}\s)\s*"
)
Span = tuple[int, int]


def cut(text: str, most_bytes: int = BYTES) -> list[Span]:
    """The windows' spans, in reading order; every character lies in one. Linear in the text's length."""
    if len(text) * 4 <= most_bytes or len(text.encode(errors="replace")) <= most_bytes:
        return [(0, len(text))] if text else []
    pieces = _pieces(text, most_bytes // 4)
    sizes = [len(text[start:end].encode(errors="replace")) for start, end in pieces]
    overlap = most_bytes * OVERLAP_BYTES // BYTES
    spans: list[Span] = []
    first = 0
    while first < len(pieces):
        last, size = first, 0
        while last < len(pieces) and (size + sizes[last] <= most_bytes or last == first):
            size += sizes[last]
            last += 1
        spans.append((pieces[first][0], pieces[last - 1][1]))
        if last == len(pieces):
            break
        back, shared = last, 0
        while back - 1 > first and shared + sizes[back - 1] <= overlap:
            back -= 1
            shared += sizes[back]
        first = back
    return spans


def _pieces(text: str, most_characters: int) -> list[Span]:
    """Sentences and lines; longer ones are cut at a space, or anywhere."""
    borders = [0, *(match.end() for match in _END.finditer(text)), len(text)]
    pieces: list[Span] = []
    for start, end in pairwise(borders):
        while end - start > most_characters:
            space = text.rfind(" ", start + most_characters // 2, start + most_characters)
            stop = space + 1 if space > 0 else start + most_characters
            pieces.append((start, stop))
            start = stop
        if end > start:
            pieces.append((start, end))
    return pieces


SHORTEST = 40  # characters of a sentence that stands alone; a shorter one goes with the one before
LONGEST = 240


def sentences(text: str) -> list[Span]:
    """What a report points at; every character lies in one."""
    found: list[Span] = []
    for start, end in _pieces(text, LONGEST):
        if found:
            before, until = found[-1]
            if (until - before < SHORTEST or end - start < SHORTEST // 2) and end - before <= LONGEST + 20:
                found[-1] = before, end
                continue
        found.append((start, end))
    return found
