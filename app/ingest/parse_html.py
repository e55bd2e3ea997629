"""HTML: the words of the main content, under their headings."""

import re

from lxml import etree, html

from app.ingest.decode import decode
from app.ingest.document import DocumentBuilder, Limits, UnreadableDocument, clean, one_line

# Never content. Navigation and page footers repeat on each page of a site and would match everything.
_SKIPPED = frozenset(
    "script style noscript template svg math canvas iframe object head nav footer button select textarea "
    "input dialog".split()
)
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
# Where a button is what is read: in an accordion it bears the question that opens its answer.
_LABELS = _HEADINGS | {"summary", "dt"}
_CELLS = frozenset({"td", "th"})
# A start or an end of one of these ends the line before it.
_BLOCKS = frozenset(
    "address article aside blockquote body caption dd details div dl dt fieldset figcaption figure form "
    "header hgroup hr html legend li main ol p pre section summary table tbody tfoot thead tr ul".split()
)
# What is inside one of these stays together as one block, a line for each item or row.
_WHOLE = frozenset({"ul", "ol", "dl", "table"})

_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{1,40})""", re.IGNORECASE)
_XML_CHARSET = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9_:.-]{1,40})""")
_CHARSET_WITHIN = 4096  # bytes; HTML asks for it in the first 1024, some pages have it later


def read_html(data: bytes, builder: DocumentBuilder, limits: Limits) -> str:
    """Feed the blocks of `<main>`, else of the only `<article>`, else of the body. Returns the title."""
    top = data[:_CHARSET_WITHIN]
    declared = _XML_CHARSET.search(top) or _CHARSET.search(top)
    root = _tree(decode(data, declared[1].decode("ascii") if declared else None))
    if root is None:
        return ""
    _Walker(builder).walk(_main_content(root))
    title = next(root.iter("title"), None)
    return "" if title is None else one_line(title.text_content())


def feed_fragment(source: str, builder: DocumentBuilder) -> None:
    """Feed a piece of HTML, such as one inside Markdown. Tags may be left open."""
    root = _tree(source)
    if root is not None:
        _Walker(builder).walk(root)


def _tree(source: str) -> html.HtmlElement | None:
    # As bytes with a named encoding: a str with an XML declaration is refused, and the document's
    # own declaration no longer holds. huge_tree: else the parser drops long texts silently;
    # the file's size is bounded already.
    parser = html.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        tree = html.document_fromstring(clean(source).encode(), parser=parser)
    except etree.ParserError:  # nothing but blanks and comments
        return None
    # Past 2048 levels libxml2 drops the rest of the document, and only notes it.
    if any(entry.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT for entry in parser.error_log):
        raise UnreadableDocument("HTML that is nested too deeply")
    return tree


def _main_content(root: html.HtmlElement) -> html.HtmlElement:
    for path in ("//main", "//*[@role='main']", "//article"):
        found = root.xpath(path)
        if len(found) == 1 and one_line(found[0].text_content()):
            return found[0]
    return root


class _Walker:
    """Walks a tree without recursion (pages can be nested deeper than Python's stack)."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder
        self._words: list[str] = []  # of the line at hand
        self._lines: list[str] = []  # of the block at hand
        self._mark = ""  # goes before the next line
        self._after_cell = False  # what comes next in the row is set apart from what is there
        self._depth = {"whole": 0, "line": 0, "pre": 0, "label": 0}  # open elements of each kind

    def walk(self, root: html.HtmlElement) -> None:
        events = etree.iterwalk(root, events=("start", "end"))
        for event, element in events:
            tag = element.tag if isinstance(element.tag, str) else ""
            skipped = self._is_skipped(element, tag)
            if event == "start":
                if skipped:
                    events.skip_subtree()
                else:
                    self._start(tag)
                    self._say(element.get("alt", "") if tag == "img" else element.text or "")
                continue
            if skipped:
                self._say(" ")
            else:
                self._end(tag)
            if element is not root:
                self._say(element.tail or "")
        self._end_block()

    def _is_skipped(self, element: html.HtmlElement, tag: str) -> bool:
        if tag == "button" and self._depth["label"]:
            return False
        # Sphinx and MkDocs put a "¶" link into each heading.
        return tag in _SKIPPED or (tag == "a" and "headerlink" in element.get("class", ""))

    def _say(self, text: str) -> None:
        if self._after_cell and text.strip():
            self._next_cell()
        self._words.append(text)

    def _next_cell(self) -> None:
        if self._after_cell:
            self._words.append(" | ")
        self._after_cell = False

    def _start(self, tag: str) -> None:
        if tag in _HEADINGS:
            self._end_block()
        elif tag in _BLOCKS or tag == "br":
            self._break(line_only=tag == "br")
        elif tag in _CELLS:
            self._next_cell()
        self._count(tag, 1)
        if tag == "li" and not self._depth["line"]:
            self._mark = "- "

    def _end(self, tag: str) -> None:
        if tag in _HEADINGS:
            self._builder.heading(int(tag[1]), "".join(self._words))
            self._words = []
        elif tag in _CELLS:
            self._next_cell()
            self._after_cell = True
        elif tag == "tr":
            self._after_cell = False
        # The last line of a list belongs to its block; the last line of a listing keeps its blanks.
        if tag in _BLOCKS:
            self._break(line_only=tag in _WHOLE)
        self._count(tag, -1)
        if tag in _WHOLE:
            self._break()

    def _count(self, tag: str, step: int) -> None:
        self._depth["whole"] += step * (tag in _WHOLE)
        self._depth["line"] += step * (tag in _CELLS or tag in _HEADINGS)
        self._depth["pre"] += step * (tag == "pre")
        self._depth["label"] += step * (tag in _LABELS)

    def _break(self, line_only: bool = False) -> None:
        """The border of a block element: what it ends depends on what it stands in."""
        if self._depth["line"]:
            self._words.append(" ")
        elif line_only or self._depth["whole"]:
            self._end_line()
        else:
            self._end_block()

    def _end_line(self) -> None:
        text = "".join(self._words)
        self._words = []
        self._after_cell = False
        line = text.strip("\n").rstrip() if self._depth["pre"] else one_line(text)
        if line:
            self._lines.append(self._mark + line)
            self._mark = ""

    def _end_block(self) -> None:
        self._end_line()
        self._builder.block("\n".join(self._lines), keeps_indentation=True)  # only lines of <pre> have any
        self._lines = []
        self._mark = ""
