"""Masking in an answer that is JSON: within its strings, and of its numbers, so that it stays JSON.

Rails read the source as it stands, since a value's name says what the value is ("pin": 4821), and strings with escapes
a second time without them. Whatever of a hit is between the values stays. A text that goes on is read like one that has
ended; its last value may be cut.
"""

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.guard.output.stream_window import masked
from app.guard.spans import placeholder
from app.guard.types import Hit
from app.pipeline.arguments import quoted

_BEGINNING = re.compile(r'[\s\ufeff]*["{\[0-9-]')
# A string, closed or cut at the end of the text, or anything else that is no structure: numbers, true, false, null.
_VALUE = re.compile(r'"(?:[^"\\]++|\\.)*+(?:(?P<closing>")|\\?)|[^\s{}\[\],:"]+', re.DOTALL)
_PIECE = re.compile(
    r"(?P<plain>[^\\]+)|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.?", re.DOTALL
)


def wants_json(response_format: Mapping[str, Any] | None) -> bool:
    """Whether a request wants its answer to be JSON."""
    return (response_format or {}).get("type") in ("json_object", "json_schema")


def begins_json(text: str) -> bool:
    """Whether a text is JSON by its beginning: what has prose or a code fence before it is masked as any text is."""
    return _BEGINNING.match(text) is not None


@dataclass(frozen=True, slots=True)
class Value:
    """A string (of a name, too), a number or a constant, and where it stands."""

    source: str
    start: int
    is_closed: bool
    legible: str | None  # what a string with escapes says; None: it says what stands there

    @property
    def span(self) -> Hit:
        """All of it, as the hit of no rule."""
        return Hit("", 0.0, self.start, self.start + len(self.source))

    def masked(self, hits: Sequence[Hit], hidden: Sequence[Hit]) -> str:
        """Its source with hits replaced. `hits`: in the text that it stands in, in reading order and apart; `hidden`:
        in what is legible."""
        if not self.source.startswith('"'):
            found = _within(hits, self.start, self.source)
            return quoted(masked(self.source, found, placeholder)) if found else self.source
        inner = self.source[1:-1] if self.is_closed else self.source[1:]
        found = _within(hits, self.start + 1, inner)
        if not found and not hidden:
            return self.source
        closing = '"' if self.is_closed else ""
        if self.legible is None:
            return f'"{masked(inner, found, placeholder)}{closing}'
        said = masked(self.legible, [*_unescaped(found, inner), *hidden], placeholder)
        return quoted(said)[:-1] + closing


def values_of(text: str, start: int = 0) -> list[Value]:
    """The values in JSON source from `start` on, where none is under way."""
    return [
        Value(match[0], match.start(), match["closing"] is not None, _legible(match[0], match["closing"] is not None))
        for match in _VALUE.finditer(text, start)
    ]


def _legible(source: str, is_closed: bool) -> str | None:
    if not source.startswith('"') or "\\" not in source:
        return None
    try:
        said: str = json.loads(source if is_closed else f'{source}"', strict=False)
    except ValueError:
        return None  # no JSON, or cut within an escape
    return said


def _within(hits: Sequence[Hit], start: int, text: str) -> list[Hit]:
    """What hits have of a text that stands at `start`, by its own positions."""
    first = bisect_right(hits, start, key=lambda hit: hit.end)
    last = bisect_left(hits, start + len(text), lo=first, key=lambda hit: hit.start)
    some = hits[first:last] if text else ()
    return [replace(h, start=max(0, h.start - start), end=min(h.end - start, len(text))) for h in some]


def _unescaped(hits: Sequence[Hit], inner: str) -> list[Hit]:
    """Hits in a string's source, by the positions of what it says. One that cuts an escape has all of it."""
    if not hits:
        return []
    at: list[int] = []
    said = 0
    for piece in _PIECE.finditer(inner):
        length = len(piece[0])
        at += range(said, said + length) if piece["plain"] else [said] * length
        said += length if piece["plain"] else 1
    return [replace(hit, start=at[hit.start], end=at[hit.end - 1] + 1) for hit in hits]
