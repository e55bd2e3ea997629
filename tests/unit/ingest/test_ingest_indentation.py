"""Indentation says what belongs to what: it is kept in code, wherever a block or a passage begins."""

from collections.abc import Iterator

import pytest

from app.ingest.chunk import chunk
from app.ingest.document import ParsedDocument
from app.ingest.parse import parse_bytes
from app.ingest.split import TokenCounter
from app.retrieval.types import Chunk

PYTHON = "def f(x):\n    a = 1\n\n    if a:\n        b = 2\n\n    return b"
YAML = "server:\n  port: 80\n\n  host: x"
RST = "Usage::\n\n    if a:\n        b = 2\n\nEnd."
MARKDOWN = "Usage:\n\n```\n    if a:\n        b = 2\n```\n\nEnd."
HTML = "<p>Usage:</p><pre>    if a:\n        b = 2</pre><p>End.</p>"
USAGE = {RST: "Usage::\n\n    if a:\n        b = 2\n\nEnd.", HTML: "Usage:\n\n    if a:\n        b = 2\n\nEnd."}


def chunks_of(document: ParsedDocument, counter: TokenCounter, max_tokens: int = 64) -> list[Chunk]:
    return chunk(document, counter, name="a", tenant="t", content_hash="h", max_tokens=max_tokens)


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("a.py", PYTHON, PYTHON),
        ("a.py", f"\n \n{PYTHON}\n\n", PYTHON),
        ("a.yaml", YAML, YAML),
        ("a.rst", RST, USAGE[RST]),
        ("a.md", MARKDOWN, USAGE[HTML]),
        ("a.html", HTML, USAGE[HTML]),
        ("a.txt", "  One.\n\n  Two.", "One.\n\nTwo."),  # of a paragraph it says nothing
    ],
)
def test_a_blank_line_moves_nothing_to_the_margin(
    word_counter: TokenCounter, name: str, source: str, expected: str
) -> None:
    document = parse_bytes(source.encode(), name)
    assert document.text == expected
    assert all(document.text[block.start : block.end] == block.text for block in document.blocks)
    assert [part.text for part in chunks_of(document, word_counter)] == [expected]


def code() -> Iterator[str]:
    """Lines too many for a passage, one of them too long for one, and one with more indentation than that."""
    for at in range(60):
        yield f"    if value_{at} > limit:"
        yield f"        value_{at} = compute(a, b)  # Done. Next!"
        yield from [""] * (at % 7 == 0)
    yield "    " + "word " * 300
    yield " " * 9_000 + "end = 1"


def test_passages_of_code_begin_with_the_indentation_of_their_line(counter: TokenCounter) -> None:
    document = parse_bytes(("def f():\n" + "\n".join(code())).encode(), "a.js")
    lines = set(document.text.split("\n"))
    chunks = chunks_of(document, counter)
    covered: set[int] = set()
    for part in chunks:
        assert document.text[part.start : part.end] == part.text == part.text.rstrip() != ""
        assert part.text.split("\n", 1)[0].strip()
        covered.update(range(part.start, part.end))
    assert all(at in covered for at, character in enumerate(document.text) if not character.isspace())
    short = [part for part in chunks if "word" not in part.text and "end = 1" not in part.text]
    assert len(short) > 10
    assert all(line in lines for part in short for line in part.text.split("\n"))
