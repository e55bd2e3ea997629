"""From passages to a prompt, and to the citations that the answer carries."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from app.guard.spotlight import Style, neutral, spotlight
from app.retrieval.types import Chunk, Passage

# English WordPiece and byte-pair tokenizers make a token of 3 to 5 characters; 3 errs on the safe side.
CHARACTERS_PER_TOKEN = 3


def pack(passages: Sequence[Passage], min_score: float, max_tokens: int) -> list[Passage]:
    """The relevant passages that fit, whole, best first. At least one, when any is relevant and fits.

    Neighbours are joined to their hits where there is room left when all hits are in; the best hit's come first.
    """
    hits: list[Passage] = []
    budget = max_tokens * CHARACTERS_PER_TOKEN
    for passage in passages:
        cost = len(passage.chunk.text) + len(source_of(passage))
        if passage.is_neighbour or passage.score < min_score or cost > budget:
            continue
        hits.append(passage)
        budget -= cost
    beside = {_place(p): p.chunk for p in passages if p.is_neighbour}
    for each in hits:
        beside.pop(_place(each), None)
    joined = []
    for hit in hits:
        run, budget = _grown(hit.chunk, beside, budget)
        joined.append(hit if len(run) == 1 else replace(hit, chunk=join(hit.chunk, run)))
    return joined


def join(hit: Chunk, run: Sequence[Chunk]) -> Chunk:
    """The hit with the text of a run of neighbouring chunks, in order, of which it is one. What two chunks both have
    stands there once."""
    text, end = run[0].text, run[0].end
    for chunk in run[1:]:
        shared = end - chunk.start
        # Offsets count in the document. Once a guard has put something else in its place, they say nothing here.
        if 0 < shared < len(chunk.text) and text.endswith(chunk.text[:shared]):
            text += chunk.text[shared:]
        else:
            text += ("\n" if shared > -2 else "\n\n") + chunk.text
        end = chunk.end
    return replace(hit, text=text, start=run[0].start, end=end)


def _grown(hit: Chunk, beside: dict[tuple[str, str, int], Chunk], budget: int) -> tuple[list[Chunk], int]:
    """The hit and those beside it that fit, nearest first, without gaps; they are taken out of `beside`. And what is
    left of the budget, in characters."""
    run, open_ends = [hit], [-1, 1]
    for step in range(1, len(beside) + 1):
        for side in list(open_ends):
            place = (hit.document, hit.content_hash, hit.ordinal + side * step)
            chunk = beside.get(place)
            if chunk is None or len(chunk.text) > budget:
                open_ends.remove(side)
                continue
            del beside[place]
            budget -= len(chunk.text)
            run.insert(0 if side < 0 else len(run), chunk)
        if not open_ends:
            break
    return run, budget


def _place(passage: Passage) -> tuple[str, str, int]:
    return passage.chunk.document, passage.chunk.content_hash, passage.chunk.ordinal


def quote(passages: Sequence[Passage], style: Style = "off") -> str:
    """Passages as the model reads them, numbered from 1, set apart from what is said about them."""
    if not passages:
        return "(no passage was found)"
    quoted = []
    for number, passage in enumerate(passages, start=1):
        text = spotlight(passage.chunk.text, style, "passage")
        quoted.append(f"[{number}] {neutral(source_of(passage), style)}\n{text}")
    return "\n\n".join(quoted)


def citations(passages: Sequence[Passage]) -> list[dict[str, Any]]:
    """The `sextant.citations` field: one object for each passage that the model was given."""
    return [
        {
            "index": number,
            "document": passage.chunk.document,
            "chunk": passage.chunk.ordinal,
            "title": passage.chunk.title,
            "heading": passage.chunk.heading,
            "page": passage.chunk.page,
            "score": round(passage.score, 4),
            "start": passage.chunk.start,
            "end": passage.chunk.end,
            "text": passage.chunk.text,
        }
        for number, passage in enumerate(passages, start=1)
    ]


def source_of(passage: Passage) -> str:
    """Where a passage stands, as a model reads it."""
    chunk = passage.chunk
    place = chunk.heading or chunk.title
    page = f", page {chunk.page}" if chunk.page is not None else ""
    return f"{chunk.document}{f' ({place}{page})' if place or page else ''}"
