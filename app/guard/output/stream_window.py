"""Holding back a stream until it has been examined: a bounded window, with text before it as context.

    released | context |  not released yet                     |
             |<-------- the text that is examined ------------>|
                       |<-- may be released -->|<- lookahead ->|

Pure and synchronous: who owns the window asks `due`, has the text examined, and hands the hits to `verdict`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from app.guard.types import Hit

Mask = Callable[[Hit, str], str]
"""What stands in the answer for a hit with that value. Positions of the hit are those of the examined text."""

LOOKAHEAD = (
    80  # characters; more than any value with spaces in it that rails look for: an IBAN in groups of four has 42
)
CONTEXT = 200  # characters
STRIDE = 48  # characters; about ten tokens between two examinations
MAX_HELD = 2048  # characters; a JWT signed with RSA has 800 and more, and is one only by its last part

_DELIMITERS = frozenset("\"'`,;{}[]()<>|")  # in no key, and around those that JSON and code hold
# White space, and the scripts that are written without it: no address or key goes on behind one of these.
_BREAK = re.compile(r"[\s\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u303f\u3040-\u30ff\u3400-\u9fff]")


def apart(hits: Sequence[Hit], length: int) -> list[Hit]:
    """Hits in reading order, cut at `length`. Those that overlap become one, named after the surest."""
    joined: list[Hit] = []
    for hit in sorted(hits, key=lambda h: (h.start, h.end)):
        hit = replace(hit, start=max(0, hit.start), end=min(hit.end, length))
        if hit.start >= hit.end:
            continue
        if joined and hit.start < joined[-1].end:
            surest = max(joined[-1], hit, key=lambda h: h.score)
            joined[-1] = replace(surest, start=joined[-1].start, end=max(joined[-1].end, hit.end))
        else:
            joined.append(hit)
    return joined


def masked(text: str, hits: Sequence[Hit], mask: Mask) -> str:
    """A whole text with its hits replaced, as the releases of a window would have it."""
    return _masked(text, 0, len(text), apart(hits, len(text)), mask)


def _masked(text: str, start: int, end: int, hits: Sequence[Hit], mask: Mask) -> str:
    """`text[start:end]` with hits (apart from each other) replaced. Of one that began before `start`, the rest is."""
    parts = []
    for hit in hits:
        if hit.end <= start or hit.start >= end:
            continue
        first = max(start, hit.start)
        parts += [text[start:first], mask(hit, text[first : hit.end])]
        start = hit.end
    return "".join([*parts, text[start:end]])


@dataclass(frozen=True, slots=True)
class _Examination:
    """Of the first `length` characters that are kept; `final`: nothing follows them."""

    length: int
    final: bool


class Window:
    """One text that arrives in pieces, and what of it may be shown.

    A character is released only after an examination that saw `lookahead` characters behind it, or the end of the
    text. Beyond that are held: a hit, from its start, until `lookahead` characters follow it; a run without white
    space that reaches the end of what has arrived (an e-mail address or key that still grows) until it ends or is
    longer than `max_held`. A hit that goes on and on (a PEM block) is held whole: answers are bounded elsewhere.

    Examinations come `stride` characters apart, and farther the more is held, so that all together examine
    no more than a multiple of the text.
    """

    def __init__(
        self,
        lookahead: int = LOOKAHEAD,
        context: int = CONTEXT,
        *,
        stride: int = STRIDE,
        max_held: int = MAX_HELD,
    ) -> None:
        """All in characters. `context`: how much of the released text is examined again, before what is not."""
        if lookahead < 0 or context < 0 or stride < 1 or max_held < 1:
            raise ValueError("lookahead and context must not be negative, stride and max_held at least 1")
        self._lookahead = lookahead
        self._context = context
        self._stride = stride
        self._max_held = max_held
        self._kept = ""  # context, then what is not released
        self._offset = 0  # where that begins
        self._forgotten = 0  # characters of the text before `_kept`
        self._seen = 0  # how much of `_kept` has been examined
        self._masked: list[Hit] = []  # hits within the context
        self._in_run = False  # the last released character was no white space
        self._in_word = False  # nor a delimiter
        self._examination: _Examination | None = None

    @property
    def held(self) -> int:
        """Characters that have arrived and are not released."""
        return len(self._kept) - self._offset

    @property
    def forgotten(self) -> int:
        """Where the examined text begins in the whole text: add it to a hit's positions."""
        return self._forgotten

    def add(self, text: str) -> None:
        """Take the next piece."""
        self._kept += text

    def due(self, final: bool = False) -> tuple[str, int] | None:
        """The text to examine now, and where in it unreleased text begins; None while there is nothing to do.

        `final`: the text has ended. Pieces that arrive before the verdict belong to the next examination.
        """
        length = len(self._kept)
        if final:
            ready = self.held > 0
        else:
            spare = self.held - self._lookahead
            ready = spare > 0 and length - self._seen >= max(self._stride, spare // 4)
        if not ready:
            return None
        self._examination = _Examination(length, final)
        return self._kept, self._offset

    def verdict(self, hits: Sequence[Hit], mask: Mask) -> str:
        """What may be released now, hits replaced. `hits`: all that are to be masked in the text that `due` gave.

        Raises RuntimeError when no examination is under way.
        """
        if self._examination is None:
            raise RuntimeError("verdict() without due()")
        length, final = self._examination.length, self._examination.final
        self._examination, self._seen = None, length
        spans = apart(hits, length)
        end = length if final else self._end(self._kept[:length], spans)
        if end <= self._offset:
            return ""
        released = _masked(self._kept, self._offset, end, spans, mask)
        self._masked += [hit for hit in spans if self._offset < hit.end <= end]
        self._release(end)
        return released

    def flush(self) -> str:
        """All that is held, as it is: for rails that failed and let the text go on."""
        held, self._examination = self._kept[self._offset :], None
        self._seen = len(self._kept)
        self._release(self._seen)
        return held

    def _end(self, text: str, hits: Sequence[Hit]) -> int:
        """Up to where the examined text, which goes on, may be released."""
        end = min(len(text) - self._lookahead, self._run(text))
        for hit in reversed(hits):  # apart from each other: moved before one, the end is in no other
            if hit.start < end < hit.end or hit.end == len(text):
                end = min(end, hit.start)
        return end

    def _run(self, text: str) -> int:
        """Where the run without white space begins that reaches the end; the end, when it has been held long enough."""
        first = max(self._offset, len(text) - self._max_held)
        for start in range(len(text), first, -1):
            if _BREAK.match(text, start - 1):
                return start
        if first == self._offset and not self._in_run:
            return self._offset
        # One so long is JSON or code without white space: what it quotes or lists is held like a word. (One whose
        # beginning is out already was as long before.)
        for start in range(len(text), first, -1):
            if text[start - 1] in _DELIMITERS:
                return start
        return self._offset if first == self._offset and not self._in_word else len(text)

    def _release(self, end: int) -> None:
        if end > self._offset:
            last = self._kept[end - 1]
            self._in_run = not _BREAK.match(last)
            self._in_word = self._in_run and last not in _DELIMITERS
            self._offset = end
        self._forget()

    def _forget(self) -> None:
        """Drop what no examination needs, never the beginning of a hit without its end: found again, it would be
        another."""
        start = self._offset - self._context
        if start <= 0:
            return
        # Back to the beginning of a word, if it is near.
        for near in range(start, max(0, start - self._context), -1):
            if _BREAK.match(self._kept, near - 1):
                start = near
                break
        start = next((hit.start for hit in self._masked if hit.start < start < hit.end), start)
        self._kept = self._kept[start:]
        self._offset -= start
        self._seen -= start
        self._forgotten += start
        self._masked = [
            replace(hit, start=hit.start - start, end=hit.end - start) for hit in self._masked if hit.end > start
        ]
