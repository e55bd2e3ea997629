"""Plain text and reStructuredText: paragraphs, and for .rst the headings."""

import re

from app.ingest.decode import decode
from app.ingest.document import DocumentBuilder, Limits, clean

# A line of one punctuation character, repeated: https://docutils.sourceforge.io/docs/ref/rst/restructuredtext.html#sections
_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1+")


def read_plain(data: bytes, builder: DocumentBuilder, limits: Limits) -> str:
    """Feed the paragraphs (runs of lines between blank ones). Plain text has no title of its own."""
    paragraph: list[str] = []
    for line in [*clean(decode(data)).split("\n"), ""]:
        if line.strip():
            paragraph.append(line)
        elif paragraph:
            builder.block("\n".join(paragraph))
            paragraph = []
    return ""


def read_rst(data: bytes, builder: DocumentBuilder, limits: Limits) -> str:
    """As plain text, with section titles as headings. Directives, roles and indentation stay as they are written.

    A style of adornment (the character, and whether there is an overline) gets its level by
    the order of its first appearance, as docutils does it.
    """
    lines = [line.rstrip() for line in clean(decode(data)).split("\n")] + [""]
    styles: list[str] = []
    paragraph: list[str] = []
    at = 0
    while at < len(lines):
        # A title stands at the beginning of a paragraph; elsewhere dashes are a table or a listing.
        title = None if paragraph else _title_at(lines, at)
        if title is not None:
            words, style, height = title
            if style not in styles:
                styles.append(style)
            builder.heading(styles.index(style), words)
            at += height
            continue
        line = lines[at]
        if line.strip():
            paragraph.append(line)
        elif paragraph:
            if not _is_transition(paragraph):
                builder.block("\n".join(paragraph), keeps_indentation=True)
            paragraph = []
        at += 1
    return ""


def _title_at(lines: list[str], at: int) -> tuple[str, str, int] | None:
    """Words, style and number of lines of the section title that begins at a line, if one does."""
    line, below, third = (lines[at + offset] if at + offset < len(lines) else "" for offset in range(3))
    if _ADORNMENT.fullmatch(line):
        if below.strip() and third == line and len(line) >= len(below.strip()):
            return below.strip(), line[0] * 2, 3
        return None
    underlined = _ADORNMENT.fullmatch(below) and len(below) >= len(line)
    return (line, below[0], 2) if line and not line[0].isspace() and underlined else None


def _is_transition(paragraph: list[str]) -> bool:
    return len(paragraph) == 1 and _ADORNMENT.fullmatch(paragraph[0].strip()) is not None
