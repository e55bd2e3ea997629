"""From passages to a prompt, and to the citations that the answer carries."""

from collections.abc import Sequence
from typing import Any

from app.guard.spotlight import Style, neutral, spotlight
from app.retrieval.types import Passage

# English WordPiece and byte-pair tokenizers make a token of 3 to 5 characters; 3 errs on the safe side.
CHARACTERS_PER_TOKEN = 3


def pack(passages: Sequence[Passage], min_score: float, max_tokens: int) -> list[Passage]:
    """The relevant passages that fit, best first. At least one, when any is relevant and fits."""
    packed: list[Passage] = []
    budget = max_tokens * CHARACTERS_PER_TOKEN
    for passage in passages:
        cost = len(passage.chunk.text) + len(source_of(passage))
        if passage.score < min_score or cost > budget:
            continue
        packed.append(passage)
        budget -= cost
    return packed


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
