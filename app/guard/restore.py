"""Undoing the masking in an answer, also when a placeholder is split over the chunks of a stream."""

import json
import re
from collections.abc import Iterable, Mapping

# Brackets as many serializers escape them in JSON, Go's for one.
_OPENING, _CLOSING = (r"\u003c", r"\u003C"), (r"\u003e", r"\u003E")


def _either(texts: Iterable[str]) -> str:
    return "|".join(map(re.escape, texts))


class Restorer:
    """Replaces placeholders by their values, as text arrives.

    Feed it pieces; it returns what is safe to hand on and holds back at most one placeholder's
    length: the part that may be the beginning of one. Small models lose a bracket now and then, so
    `PERSON_1` and `<PERSON_1` are restored as `<PERSON_1>` is.
    """

    def __init__(self, vault: Mapping[str, str], *, in_json: bool = False) -> None:
        """`in_json`: the text is JSON source (tool arguments): values are escaped for a string, brackets may be."""
        self._values = {
            placeholder.strip("<>"): json.dumps(value)[1:-1] if in_json else value
            for placeholder, value in vault.items()
        }
        before, behind = (["<", *_OPENING], [">", *_CLOSING]) if in_json else (["<"], [">"])
        # Longest first, and none that goes on: PERSON_1 is not the beginning of PERSON_12, nor of PERSON_1_2.
        names = "|".join(map(re.escape, sorted(self._values, key=len, reverse=True)))
        opened = rf"(?:<|(?<!\\)(?:{_either(_OPENING)})|(?<![A-Z0-9_]))" if in_json else "(?:<|(?<![A-Z0-9_]))"
        self._pattern = (
            re.compile(f"{opened}({names})(?![0-9]|_[A-Z0-9])(?:{_either(behind)})?") if self._values else None
        )
        # (The one with "_0" is none: after PERSON_1_ the next character decides.)
        forms = [f"{one}{name}{other}" for name in self._values for one in ("", *before) for other in (*behind, "_0")]
        self._beginnings = {form[:length] for form in forms for length in range(1, len(form))}
        self._longest = max(map(len, self._beginnings), default=0)
        self._held = ""
        self._before = ""  # the last character that was read

    def feed(self, text: str) -> str:
        """Take a piece, return what can be shown."""
        if self._pattern is None:
            return text
        text = self._held + text
        cut = len(text) - self._open_end(text)
        self._held = text[cut:]
        return self._restore(text[:cut], self._held)

    def flush(self) -> str:
        """What was held back, at the end of the text."""
        held, self._held = self._held, ""
        return self._restore(held)

    def _restore(self, text: str, behind: str = "") -> str:
        """`behind`: what is held back."""
        if self._pattern is None or not text:
            return text
        # What stands before, gone already, and behind is looked at, since a name that goes on there is another.
        seen = self._before + text + behind
        at, self._before = len(self._before), text[-1]
        end, parts = at + len(text), []
        for match in self._pattern.finditer(seen, at):
            if match.start() >= end:
                break
            parts += [seen[at : match.start()], self._values[match.group(1)]]
            at = match.end()
        return "".join([*parts, seen[at:end]])

    def _open_end(self, text: str) -> int:
        """Length of the longest end of `text` that may become a placeholder, or a longer one."""
        for length in range(min(self._longest, len(text)), 0, -1):
            if text[-length:] in self._beginnings:
                return length
        return 0
