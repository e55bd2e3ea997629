"""What each format's words, headings, pages and title become."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.ingest.document import ParsedDocument
from app.ingest.parse import parse, parse_bytes

TEXT = "Viele Grüße für Zoë aus dem Café"
MARKDOWN = """# Guide

Intro with *marks*, a [link](https://example.com) and
a second line.

## Set-up

- one
- two
  1. inner

```python
def f():
    return 1
```

| key | value |
| --- | ----- |
| a   | 1     |

## Empty

# Appendix

<details><summary>More</summary><p>hidden <b>words</b></p></details>
"""

HTML = """<!doctype html><html><head><title>A &amp; B</title><style>p { color: red }</style></head><body>
<nav>Menu</nav><main><h1>Top<a class="headerlink" href="#top">&para;</a></h1>
<p>First <b>bold</b><script>alert("no")</script> words.<br>Second line.</p>
<ul><li>one<ul><li>inner</li></ul></li><li><p>two</p></li></ul>
<pre>def f():
    return 1</pre>
<table><tr><th>key<th>value</tr><tr><td><p>a</p></td><td>1</td></tr></table>
<h2><div>Below</div></h2>loose words</main><footer>Imprint</footer></body></html>"""


def blocks_of(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(block.heading, block.text) for block in document.blocks]


def test_markdown_keeps_words_headings_lists_code_and_tables() -> None:
    document = parse_bytes(MARKDOWN.encode(), "guide.md")
    assert document.title == "Guide"
    assert blocks_of(document) == [
        ("Guide", "Intro with marks, a link and a second line."),
        ("Guide > Set-up", "- one\n- two\n  1. inner"),
        ("Guide > Set-up", "def f():\n    return 1"),
        ("Guide > Set-up", "key | value\na | 1"),
        ("Guide", "Empty"),  # a heading with nothing beneath it is not lost
        ("Appendix", "More"),
        ("Appendix", "hidden words"),
    ]


def test_front_matter_gives_the_title_and_is_no_text() -> None:
    document = parse_bytes(b"---\ntitle: From above\ndate: 2026-01-01\n---\n# Heading\n\nwords\n", "a.md")
    assert document.title == "From above"
    assert document.text == "words"


def test_rules_that_look_like_front_matter_stay_rules() -> None:
    assert parse_bytes(b"---\nprose, not a mapping\n\n---\nmore\n", "a.md").text == "prose, not a mapping\n\nmore"


def test_deeply_nested_markdown_loses_nothing() -> None:
    nested = "\n".join("  " * depth + f"- level{depth}" for depth in range(40))
    text = parse_bytes(nested.encode(), "a.md").text
    assert all(f"level{depth}" in text for depth in range(40))


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ('<img alt="\u2705" src="x">', "- \u2705"),
        ("<h2>Words</h2>", "- Words"),
        ("<!-- nothing -->", "- "),
    ],
)
def test_html_in_a_list_is_an_item_whatever_it_says(item: str, expected: str) -> None:
    assert parse_bytes(f"Intro.\n\n- {item}\n- two\n".encode(), "README.md").text == f"Intro.\n\n{expected}\n- two"


def test_html_keeps_the_main_content_under_its_headings() -> None:
    document = parse_bytes(HTML.encode(), "page.html")
    assert document.title == "A & B"
    assert blocks_of(document) == [
        ("Top", "First bold words.\nSecond line."),
        ("Top", "- one\n- inner\n- two"),
        ("Top", "def f():\n    return 1"),
        ("Top", "key | value\na | 1"),
        ("Top > Below", "loose words"),
    ]


def test_html_nested_deeper_than_the_stack_is_read() -> None:
    source = "<div>" * 2000 + "deep words" + "</div>" * 2000
    assert parse_bytes(source.encode(), "a.html").text == "deep words"


@pytest.mark.parametrize(
    "head",
    ['<meta charset="iso-8859-2">', '<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-2">'],
)
def test_html_is_decoded_as_it_declares(head: str) -> None:
    assert parse_bytes(f"{head}<p>łódź".encode("iso-8859-2"), "a.htm").text == "łódź"


def test_rst_titles_become_headings_by_order_of_appearance() -> None:
    source = "=====\nTitle\n=====\n\nIntro.\n\nPart\n----\n\nBody::\n\n  code\n\nNext\n----\n\nEnd.\n"
    document = parse_bytes(source.encode(), "a.rst")
    assert document.title == "Title"
    assert blocks_of(document) == [
        ("Title", "Intro."),
        ("Title > Part", "Body::"),
        ("Title > Part", "  code"),
        ("Title > Next", "End."),
    ]


def test_plain_text_is_cut_at_blank_lines_and_named_after_its_file() -> None:
    document = parse_bytes(b"one\r\ntwo\r\n \r\nthree", "notes.txt")
    assert (document.title, blocks_of(document)) == ("notes", [("", "one\ntwo"), ("", "three")])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_text_is_decoded_whatever_editor_wrote_it(encoding: str) -> None:
    assert parse_bytes(TEXT.encode(encoding), "a.txt").text == TEXT


def test_control_characters_and_soft_hyphens_are_left_out() -> None:
    assert parse_bytes("a\u00adb\x07c\u00a0d".encode(), "a.txt").text == "abc d"


def test_pdf_text_carries_its_page_numbers(make_pdf: Callable[..., bytes]) -> None:
    document = parse_bytes(make_pdf("First page.", "Second (page)."), "report.pdf")
    assert document.title == "report"
    assert [(block.page, block.text) for block in document.blocks] == [(1, "First page."), (2, "Second (page).")]


def test_pdf_lines_of_one_sentence_are_joined(make_pdf: Callable[..., bytes]) -> None:
    document = parse_bytes(make_pdf("A sentence that is hyphen-\nated and goes\non.\nNext line."), "a.pdf")
    assert document.text == "A sentence that is hyphenated and goes on.\nNext line."


def test_pdf_title_comes_from_its_properties(make_pdf: Callable[..., bytes]) -> None:
    assert parse_bytes(make_pdf("Words.", title="Annual report"), "a.pdf").title == "Annual report"
    assert parse_bytes(make_pdf("Words.", title="Untitled document"), "a.pdf").title == "a"


def test_pdf_that_only_forbids_printing_is_read(make_pdf: Callable[..., bytes]) -> None:
    data = make_pdf("Open words.", password="", owner="owner")
    assert parse_bytes(data, "a.pdf").text == "Open words."


@pytest.mark.parametrize("name", ["a.md", "a.html", "a.rst", "a.txt"])
def test_offsets_find_each_block_in_the_text(name: str) -> None:
    document = parse_bytes((HTML if name == "a.html" else MARKDOWN).encode(), name)
    assert all(document.text[block.start : block.end] == block.text for block in document.blocks)
    assert "\n\n".join(block.text for block in document.blocks) == document.text


def test_headings_with_the_same_words_are_two_sections() -> None:
    blocks = parse_bytes(b"# Example\n\none\n\n# Example\n\ntwo\n", "a.md").blocks
    assert blocks[0].heading == blocks[1].heading
    assert blocks[0].section != blocks[1].section


def test_a_heading_of_hundreds_of_words_is_prose() -> None:
    document = parse_bytes(b"# " + b"word " * 100 + b"\n\nbody\n", "a.md")
    assert [block.heading for block in document.blocks] == ["", ""]


def test_parse_reads_a_file(tmp_path: Path) -> None:
    (tmp_path / "Plan.TXT").write_text("words")
    assert parse(tmp_path / "Plan.TXT").title == "Plan"
