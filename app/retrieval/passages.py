"""From passages to a prompt, and to the citations that the answer carries."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from app.guard.spotlight import Style, neutral, spotlight
from app.memory.tokens import estimate
from app.retrieval.types import Chunk, Passage

Count = Callable[[str], int]
Place = tuple[str, str, str, int | None, int]

MOST_TOKENS = 5  # that `estimate` makes of one character: an emoji's four bytes, with its margin, rounded up


def pack(passages: Sequence[Passage], min_score: float, max_tokens: int) -> list[Passage]:
    """The relevant passages that fit, whole, best first. At least one, when any is relevant and fits.

    Neighbours under the hit's heading and on its page are joined to it where there is room left when all hits are in;
    the best hit's come first. Tokens are estimated, rather too many.
    """
    hits: list[Passage] = []
    budget, count = max_tokens, _count_for(passages, max_tokens)
    for passage in passages:
        if passage.is_neighbour or passage.score < min_score:
            continue
        cost = count(passage.chunk.text) + count(source_of(passage))
        if cost > budget:
            continue
        hits.append(passage)
        budget -= cost
    beside = {_place(p.chunk, p.chunk.ordinal): p.chunk for p in passages if p.is_neighbour}
    for each in hits:
        beside.pop(_place(each.chunk, each.chunk.ordinal), None)
    joined = []
    for hit in hits:
        run, budget = _grown(hit.chunk, beside, budget, count)
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


def _count_for(passages: Sequence[Passage], max_tokens: int) -> Count:
    """What counts tokens; nothing where all fits by any count: a search that is not for a prompt may find much."""
    characters = sum(len(passage.chunk.text) + len(source_of(passage)) for passage in passages)
    return estimate if characters * MOST_TOKENS > max_tokens else lambda text: 0


def _grown(hit: Chunk, beside: dict[Place, Chunk], budget: int, count: Count) -> tuple[list[Chunk], int]:
    """The hit and those beside it that fit, nearest first, without gaps; they are taken out of `beside`. And what is
    left of the budget, in tokens."""
    run, open_ends = [hit], [-1, 1]
    for step in range(1, len(beside) + 1):
        for side in list(open_ends):
            place = _place(hit, hit.ordinal + side * step)
            chunk = beside.get(place)
            cost = 0 if chunk is None else count(chunk.text)
            if chunk is None or cost > budget:
                open_ends.remove(side)
                continue
            del beside[place]
            budget -= cost
            run.insert(0 if side < 0 else len(run), chunk)
        if not open_ends:
            break
    return run, budget


def _place(like: Chunk, ordinal: int) -> Place:
    """Of a chunk that may be joined to one like this: of its version of the document, its heading and its page. A
    heading is no part of a chunk's text, so what stands under another one would be read, and cited, as what it is
    not."""
    return like.document, like.content_hash, like.heading, like.page, ordinal


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
