"""Word documents (.docx): WordprocessingML in a zip archive, ECMA-376 part 1, section 17."""

import re
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from lxml import etree

from app.ingest.document import DocumentBuilder, Limits, UnreadableDocument, one_line

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT_W = b"http://purl.oclc.org/ooxml/wordprocessingml/main"
_DC_TITLE = "{http://purl.org/dc/elements/1.1/}title"

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # what Word makes of a document with a password; old .doc files too
_ENCRYPTED = 0x1  # flag of a zip entry

_BODY, _STYLES, _PROPERTIES = "word/document.xml", "word/styles.xml", "docProps/core.xml"

# By id and by name: ids are translated in some languages, names are not.
_HEADING = re.compile(r"heading ?([1-9])", re.IGNORECASE)
_TITLE_LEVEL = 0

# Text that was deleted, what a field computes from, and what says the same again for older readers (Word writes text
# boxes twice): none is what a reader sees.
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_HIDDEN = frozenset({f"{_W}del", f"{_W}moveFrom", f"{_W}instrText", f"{_W}delText", _FALLBACK})


def read_docx(data: bytes, builder: DocumentBuilder, limits: Limits) -> str:
    """Feed headings (by their styles), paragraphs, lists and tables. Returns the title of its properties.

    Only three parts of the archive are unpacked, each within `limits.max_unpacked_bytes`. Headers, footers, comments
    and footnotes are left out.
    """
    archive = _open(data)
    body = _xml(_part(archive, _BODY, limits)).find(f"{_W}body")
    if body is None:
        raise UnreadableDocument("damaged Word document: it has no body")
    styles = _heading_styles(archive, limits)
    listed: list[str] = []
    for element in _blocks(body):
        if element.tag == f"{_W}tbl":
            _flush(listed, builder)
            builder.block("\n".join(_rows(element)))
            continue
        text = _text(element)
        level = _level(element, styles)
        if level is not None and text.strip():
            _flush(listed, builder)
            builder.heading(level, text)
        elif element.find(f"{_W}pPr/{_W}numPr") is not None:
            if text.strip():
                listed.append(f"- {one_line(text)}")
        else:
            _flush(listed, builder)
            builder.block(text)
    _flush(listed, builder)
    return _title(archive, limits)


def _open(data: bytes) -> zipfile.ZipFile:
    if data.startswith(_OLE):
        raise UnreadableDocument("encrypted or old Word document; save it as .docx without a password")
    if not data.startswith(b"PK"):
        raise UnreadableDocument("not a Word document, whatever its suffix says")
    try:
        archive = zipfile.ZipFile(BytesIO(data))
    except zipfile.BadZipFile as error:
        raise UnreadableDocument("truncated or damaged Word document") from error
    if _BODY not in archive.namelist():
        raise UnreadableDocument("not a Word document, whatever its suffix says")
    return archive


def _part(archive: zipfile.ZipFile, name: str, limits: Limits) -> bytes:
    """An entry of the archive. What the directory says of its size is not believed."""
    if archive.getinfo(name).flag_bits & _ENCRYPTED:
        raise UnreadableDocument("encrypted Word document; remove its password first")
    try:
        with archive.open(name) as file:
            data = file.read(limits.max_unpacked_bytes + 1)
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
        raise UnreadableDocument("truncated or damaged Word document") from error
    if len(data) > limits.max_unpacked_bytes:
        raise UnreadableDocument(f"unpacks to more than {limits.max_unpacked_bytes / 1e6:g} MB")
    return data


def _xml(data: bytes) -> Any:
    """The root. Entities are not expanded and nothing is fetched; Word writes no document type."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    # Word's strict format has the same elements under another name.
    root = etree.fromstring(data.replace(_STRICT_W, _W[1:-1].encode()), parser=parser)
    if root.getroottree().docinfo.doctype:
        raise UnreadableDocument("damaged Word document: it declares a document type")
    return root


def _heading_styles(archive: zipfile.ZipFile, limits: Limits) -> dict[str, int]:
    """Style id -> level, for the styles that are headings or are based on one."""
    if _STYLES not in archive.namelist():
        return {}
    levels: dict[str, int] = {}
    based: dict[str, str] = {}
    for style in _xml(_part(archive, _STYLES, limits)).iter(f"{_W}style"):
        identifier = style.get(f"{_W}styleId") or ""
        level = _outline(style)
        name = _value(style, "name")
        if (found := _HEADING.fullmatch(name)) or (found := _HEADING.fullmatch(identifier)):
            level = int(found[1])
        elif name.lower() == "title":
            level = _TITLE_LEVEL
        if level is not None:
            levels[identifier] = level
        based[identifier] = _value(style, "basedOn")
    for identifier in based:
        parent, steps = identifier, 0
        while parent and parent not in levels and steps < len(based):
            parent, steps = based.get(parent, ""), steps + 1
        if parent in levels:
            levels.setdefault(identifier, levels[parent])
    return levels


def _level(paragraph: Any, styles: dict[str, int]) -> int | None:
    outline = _outline(paragraph)
    if outline is not None:
        return outline
    style = _value(paragraph, f"pPr/{_W}pStyle")
    found = _HEADING.fullmatch(style)
    return styles.get(style, int(found[1]) if found else None)


def _outline(element: Any) -> int | None:
    """The outline level that a paragraph or style sets, from 1; 10 means body text."""
    raw = _value(element, f"pPr/{_W}outlineLvl")
    level = int(raw) + 1 if raw.isascii() and raw.isdigit() else None
    return level if level is not None and level <= 9 else None


def _value(element: Any, path: str) -> str:
    found = element.find(f"{_W}{path}")
    return "" if found is None else found.get(f"{_W}val") or ""


def _blocks(body: Any) -> Iterator[Any]:
    """Paragraphs and tables in order, also those in content controls; not those inside of tables."""
    pending = list(reversed(body))
    while pending:
        element = pending.pop()
        if element.tag in (f"{_W}p", f"{_W}tbl"):
            yield element
        elif element.tag not in _HIDDEN:
            pending.extend(reversed(element))


def _rows(table: Any) -> Iterator[str]:
    """A line for each row. Tables inside of cells become words of the cell."""
    for row in table.iter(f"{_W}tr"):
        if next(row.iterancestors(f"{_W}tbl")) is table:
            cells = (one_line(" ".join(map(_text, _blocks(cell)))) for cell in row.iter(f"{_W}tc")
                     if next(cell.iterancestors(f"{_W}tbl")) is table)  # fmt: skip
            yield " | ".join(cells)


def _text(block: Any) -> str:
    """The words of a paragraph or table. Paragraphs in it, such as those of a text box, have lines of their own."""
    words: list[str] = []
    events = etree.iterwalk(block, events=("start", "end"))
    for event, element in events:
        if element.tag == f"{_W}p" and element is not block:
            if words and words[-1] != "\n":
                words.append("\n")
        elif event == "end":
            continue
        elif element.tag in _HIDDEN:
            events.skip_subtree()
        elif element.tag == f"{_W}t":
            words.append(element.text or "")
        elif element.tag == f"{_W}tab":
            words.append("\t")
        elif element.tag in (f"{_W}br", f"{_W}cr"):
            words.append("\n")
        elif element.tag == f"{_W}noBreakHyphen":
            words.append("-")
    return "".join(words)


def _flush(listed: list[str], builder: DocumentBuilder) -> None:
    if listed:
        builder.block("\n".join(listed))
        listed.clear()


def _title(archive: zipfile.ZipFile, limits: Limits) -> str:
    if _PROPERTIES not in archive.namelist():
        return ""
    try:
        return one_line(_xml(_part(archive, _PROPERTIES, limits)).findtext(_DC_TITLE) or "")
    except (UnreadableDocument, etree.XMLSyntaxError):  # no reason to refuse the text
        return ""
