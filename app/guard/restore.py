"""Undoing the masking in an answer, also when a placeholder is split over the chunks of a stream."""

import json
import re
from collections.abc import Mapping


class Restorer:
    """Replaces placeholders by their values, as text arrives.

    Feed it pieces; it returns what is safe to hand on and holds back at most one placeholder's
    length: the part that may be the beginning of one.
    """

    def __init__(self, vault: Mapping[str, str], *, in_json: bool = False) -> None:
        """`in_json`: the text is JSON source (tool arguments), so values are escaped for a string."""
        self._values = {
            placeholder: json.dumps(value)[1:-1] if in_json else value for placeholder, value in vault.items()
        }
        self._pattern = re.compile("|".join(map(re.escape, self._values))) if self._values else None
        self._beginnings = {p[:length] for p in self._values for length in range(1, len(p))}
        self._longest = max(map(len, self._beginnings), default=0)
        self._held = ""

    def feed(self, text: str) -> str:
        """Take a piece, return what can be shown."""
        if self._pattern is None:
            return text
        text = self._pattern.sub(lambda match: self._values[match.group()], self._held + text)
        keep = self._open_end(text)
        self._held = text[len(text) - keep :] if keep else ""
        return text[: len(text) - keep]

    def flush(self) -> str:
        """What was held back, at the end of the text."""
        held, self._held = self._held, ""
        return held

    def _open_end(self, text: str) -> int:
        """Length of the longest end of `text` that begins a placeholder."""
        for length in range(min(self._longest, len(text)), 0, -1):
            if text[-length:] in self._beginnings:
                return length
        return 0
