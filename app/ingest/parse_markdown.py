"""Markdown: the words without the marks, under their headings."""

from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from app.ingest.decode import decode
from app.ingest.document import DocumentBuilder, Limits, clean
from app.ingest.front_matter import split_front_matter
from app.ingest.parse_html import feed_fragment

# CommonMark and GitHub's tables. At its preset nesting of 20 the parser drops what lies deeper
# without a word; 100 is deeper than anybody writes and far from Python's recursion limit.
_MARKDOWN = MarkdownIt("commonmark", {"maxNesting": 100}).enable(["table", "strikethrough"])

_CODE = ("fence", "code_block")


def read_markdown(data: bytes, builder: DocumentBuilder, limits: Limits) -> str:
    """Feed headings, paragraphs, lists, tables and code listings.

    A list or a table is one block, a line for each item or row. Links keep their words, images
    their description. Returns the front matter's title or the first heading.
    """
    matter, body = split_front_matter(clean(decode(data)))
    builder.groups, builder.metadata = matter.groups, dict(matter.metadata)
    for node in SyntaxTreeNode(_MARKDOWN.parse(body)).children:
        if node.type == "heading":
            builder.heading(int(node.tag[1]), _inline(node.children))
        elif node.type == "html_block":
            feed_fragment(node.content, builder)
        else:
            builder.block(_block(node), keeps_indentation=node.type in _CODE)
    return matter.title


def _block(node: SyntaxTreeNode) -> str:
    """The text of a block, with a line for each item or row in it."""
    kind = node.type
    if kind in ("paragraph", "heading", "th", "td"):
        return _inline(node.children)
    if kind in _CODE:
        return node.content.rstrip("\n")
    if kind == "html_block":
        inner = DocumentBuilder()
        feed_fragment(node.content, inner)
        return inner.text()
    if kind in ("bullet_list", "ordered_list"):
        first = int(node.attrs.get("start", 1))
        marks = ("-" if kind == "bullet_list" else f"{first + at}." for at in range(len(node.children)))
        return "\n".join(_item(mark, item) for mark, item in zip(marks, node.children, strict=True))
    if kind == "tr":
        return " | ".join(_block(cell) for cell in node.children)
    # table, thead, tbody: rows; blockquote: paragraphs; hr: nothing
    separator = "\n\n" if kind == "blockquote" else "\n"
    return separator.join(filter(None, map(_block, node.children)))


def _item(mark: str, item: SyntaxTreeNode) -> str:
    lines = "\n".join(filter(None, map(_block, item.children))).split("\n")
    indent = " " * (len(mark) + 1)
    return f"{mark} {lines[0]}" + "".join(f"\n{indent}{line}" if line else "\n" for line in lines[1:])


def _inline(nodes: Sequence[SyntaxTreeNode]) -> str:
    """The words of inline nodes: emphasis and link targets are dropped."""
    words: list[str] = []
    for node in nodes:
        if node.type == "softbreak":
            words.append(" ")
        elif node.type == "hardbreak" or (node.type == "html_inline" and node.content.startswith("<br")):
            words.append("\n")
        elif node.type in ("text", "code_inline"):
            words.append(node.content)
        elif node.type != "html_inline":  # a tag: what it encloses are siblings
            words.append(_inline(node.children))
    return "".join(words)
