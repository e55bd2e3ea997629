"""Regular expressions, matched by RE2: time linear in the text, whatever the expression."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from app.config.policy import RegexSettings
from app.guard.injection.characters import fold_look_alikes
from app.guard.policy_rails.spans import bounded, version_of
from app.guard.policy_rails.views import View, plain
from app.guard.rail import RailMissing
from app.guard.types import Hit

_SURROGATE = re.compile("[\ud800-\udfff]")


class RegexRail:
    """Every expression on the text as it is, on `views.plain` of it, and on that with Latin letters for look-alikes:
    `b\\u200bomb` and a Cyrillic `o` do not get past `bomb`.

    Where none matches, which is nearly always, one pass over the text tells: of all expressions in one. RE2's own Set
    is not used for it, since it calls a text clean when its memory runs out.
    """

    def __init__(self, settings: RegexSettings) -> None:
        """Raises RailMissing when google-re2 is not installed."""
        try:
            import re2
        except ImportError:
            raise RailMissing("the rail `regex` needs RE2: `pip install google-re2`") from None
        options = re2.Options()
        options.case_sensitive = not settings.ignore_case
        options.never_capture = True  # without groups RE2 stays with its automaton
        options.log_errors = False
        self.version = version_of(settings, 1)
        self._patterns = {rule: re2.compile(pattern.encode(), options) for rule, pattern in settings.patterns.items()}
        self._any = self._alternation(re2, options, settings)

    def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
        """Rule: the expression's name. Score 1. In the order of the expressions, then in reading order."""
        return [self._examine(text) for text in texts]

    @staticmethod
    def _alternation(re2: Any, options: Any, settings: RegexSettings) -> Any:
        """All in one; None where that cannot be: too large, or an open \\Q that would quote what follows."""
        if len(settings.patterns) < 2 or any("\\Q" in pattern for pattern in settings.patterns.values()):
            return None
        try:
            return re2.compile("|".join(f"(?:{p})" for p in settings.patterns.values()).encode(), options)
        except re2.error:
            return None

    def _examine(self, text: str) -> list[Hit]:
        views = [View(text)]
        view = plain(text)
        if view.changed:
            views.append(view)
        folded = fold_look_alikes(view.text)
        if folded != view.text:
            views.append(view.reads(folded))
        seen: set[tuple[str, int, int]] = set()
        hits: list[Hit] = []
        for each in views:
            for hit in self._in(each, len(text)):
                if (hit.rule, hit.start, hit.end) not in seen:
                    seen.add((hit.rule, hit.start, hit.end))
                    hits.append(hit)
        return hits

    def _in(self, view: View, length: int) -> Iterator[Hit]:
        # RE2 reads UTF-8, which has no lone surrogates.
        encoded = (view.text if view.text.isascii() else _SURROGATE.sub("\ufffd", view.text)).encode()
        if self._any is not None and self._any.search(encoded) is None:
            return
        for rule, pattern in self._patterns.items():
            yield from bounded(_matches(view, rule, pattern, encoded), length)


def _matches(view: View, rule: str, pattern: Any, encoded: bytes) -> Iterator[Hit]:
    """One after the other. Each may cost a pass over the rest, so whoever takes them takes no more than some."""
    at_byte = at = 0
    for match in pattern.finditer(encoded):
        first, last = match.span()
        start = at + len(encoded[at_byte:first].decode(errors="ignore"))
        end = start + len(encoded[first:last].decode(errors="ignore"))
        at_byte, at = last, end
        # An expression such as \b matches between two characters; what is there is the one behind it.
        if start == end:
            end = min(end + 1, len(view.text))
            start = end - 1
        yield Hit(rule, 1.0, *view.span(start, end))
