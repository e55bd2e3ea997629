"""Words around a match, which tell what a number is."""

import re

BEFORE, AFTER = 48, 24  # characters; more than a clause would lend its words to its neighbours


def near(text: str, start: int, end: int, before: int = BEFORE, after: int = AFTER) -> tuple[str, str]:
    """What stands before and behind a span, small, up to the line's end behind."""
    return text[max(0, start - before) : start].lower(), text[end : end + after].lower().split("\n", 1)[0]


_SURROGATE = re.compile("[\ud800-\udfff]")


def encodable(text: str) -> str:
    """The text with a sign in place of each lone surrogate, which RE2 cannot take. Places stay as they are."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def last_of(pattern: re.Pattern[str], text: str) -> int:
    """Where the last match ends; -1 without one."""
    end = -1
    for match in pattern.finditer(text):
        end = match.end()
    return end
