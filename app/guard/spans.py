"""Hits of one text, put in order: no two of them hold the same character."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import replace

from app.guard.types import Hit


def apart(hits: Iterable[Hit]) -> list[Hit]:
    """Hits without overlaps, in reading order: of two that do, the surer (then the longer) stays whole, and of the
    other what lies outside. A text with overlapping placeholders could not be restored."""
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda h: (-h.score, h.start - h.end, h.start)):
        first = bisect_right(kept, hit.start, key=lambda h: h.end)
        last = bisect_left(kept, hit.end, key=lambda h: h.start)
        free, start = [], hit.start
        for other in kept[first:last]:
            free.append(replace(hit, start=start, end=other.start))
            start = other.end
        free.append(replace(hit, start=start))
        kept[first:last] = sorted(
            [*kept[first:last], *(part for part in free if part.start < part.end)], key=lambda h: h.start
        )
    return kept


def placeholder(hit: Hit, value: str) -> str:
    """What stands for a hit where nobody gives its value back; the value itself where no rule has found anything."""
    return f"[{hit.rule}]" if hit.rule else value
