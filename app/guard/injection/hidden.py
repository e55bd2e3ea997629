"""What a reader of the rendered page does not see, and a model does: comments, hidden elements, attributes, titles.

Patterns, not a parser: markup that is broken on purpose has to be read as well, in linear time.
"""

import re
from collections.abc import Iterator
from itertools import islice

MOST = 64  # pieces of one text
_SHORTEST = 12  # characters of a piece that could say something

# A style that hides, or a colour as of paper; what follows up to the next closing tag is hidden.
_ELEMENT = re.compile(
    r"<[a-z][a-z0-9]{0,15}\b[^<>]{0,300}?(?:display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?![.\d]*[1-9])"
    r"|font-size\s*:\s*[0-2](?:\.\d+)?(?:px|pt|em)?\b|color\s*:\s*(?:#f[0-9a-f]f[0-9a-f]f[0-9a-f]|#fff|white|transparent)"
    r"|left\s*:\s*-\d{3,}|text-indent\s*:\s*-\d{3,}|\bhidden\b|aria-hidden|sr-only|visually-hidden)[^<>]{0,300}>"
    r"([^<]{12,2000})",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(
    r"\b(?:alt|title|content|aria-label|placeholder|summary|data-[a-z-]{1,30}|value)\s{0,3}=\s{0,3}"
    r"(?:\"([^\"]{12,2000})\"|'([^']{12,2000})')",
    re.IGNORECASE,
)
_LINK_TITLE = re.compile(r"\]\([^()\s\"]{0,300}\s+[\"'(]([^\"\n]{12,1000})[\"')]\)")
_IMAGE_TEXT = re.compile(r"!\[([^\[\]\n]{12,1000})\]")
_MARKDOWN_COMMENT = re.compile(r"^\[[^\]\n]{0,40}\]:\s*#?\S{0,200}\s+[\"'(]([^\n]{12,1000})[\"')]\s*$", re.MULTILINE)


def hidden_parts(text: str) -> list[tuple[str, int, int]]:
    """Hidden texts and where they stand, as (text, start, end); at most `MOST`."""
    return list(islice(_parts(text), MOST))


def _parts(text: str) -> Iterator[tuple[str, int, int]]:
    lower_than = "<" in text
    if lower_than:
        yield from _comments(text)
    patterns = (
        *((_ELEMENT,) if lower_than else ()),
        *((_ATTRIBUTE,) if lower_than and "=" in text else ()),
        *((_LINK_TITLE, _IMAGE_TEXT, _MARKDOWN_COMMENT) if "](" in text or "![" in text or "]:" in text else ()),
    )
    for pattern in patterns:
        for match in islice(pattern.finditer(text), MOST):
            group = match.lastindex or 1
            part = match[group].strip()
            if len(part) >= _SHORTEST:
                yield part, match.start(group), match.end(group)


def _comments(text: str) -> Iterator[tuple[str, int, int]]:
    at = text.find("<!--")
    while at >= 0:
        end = text.find("-->", at)
        end = end if end >= 0 else len(text)
        part = text[at + 4 : end].strip()
        if len(part) >= _SHORTEST:
            yield part, at + 4, end
        at = text.find("<!--", end)
