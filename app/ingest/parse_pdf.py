"""PDF: the text layer, page by page."""

import re
from io import BytesIO

from pypdf import PdfReader
from pypdf.errors import DependencyError, PyPdfError

from app.ingest.document import DocumentBuilder, Limits, UnreadableDocument, one_line

# The standard asks for the header in the first 1024 bytes and for %%EOF in the last 1024. Without the
# end the page table is gone: readers then guess pages, and pages go missing without a word.
_HEADER_WITHIN = 1024
_END_WITHIN = 2048

# U+FB00 to U+FB06, which fonts draw as one sign and the tokenizer does not know.
_LIGATURES = dict(zip(range(0xFB00, 0xFB07), ("ff", "fi", "fl", "ffi", "ffl", "st", "st"), strict=True))
_HYPHENATED = re.compile(r"(?<=[^\W\d_])-\n(?=[a-z\u00df-\u00ff])")
# A line that goes on in lower case continues the sentence. Others keep their break: lists, tables, and
# page headers, which tend to end in the page number.
_CONTINUED = re.compile(r"(?<=[^\n.!?:\d]) ?\n(?=[a-z\u00df-\u00ff])")
_BLANK_LINES = re.compile(r"\n\s*\n")

# What word processors write when nobody gave the document a title.
_NO_TITLE = re.compile(r"untitled.*|document\d*|.*\.(docx?|tex|dvi|indd|pptx?|odt|qxd)", re.IGNORECASE)


def read_pdf(data: bytes, builder: DocumentBuilder, limits: Limits) -> str:
    """Feed the paragraphs of each page, with its number. Returns the title of its properties.

    Raises UnreadableDocument also when one page fails: a document with holes would answer
    "not mentioned" for what stands in them.
    """
    if b"%PDF-" not in data[:_HEADER_WITHIN]:
        raise UnreadableDocument("not a PDF, whatever its suffix says")
    if b"%%EOF" not in data[-_END_WITHIN:]:
        raise UnreadableDocument("truncated PDF: its end is missing")
    reader = _open(data)
    count = len(reader.pages)
    if count > limits.max_pages:
        raise UnreadableDocument(f"{count:,} pages; at most {limits.max_pages:,} are read")
    for number in range(1, count + 1):
        for paragraph in _paragraphs(_page_text(reader, number)):
            builder.block(paragraph, page=number)
    if builder.is_empty:
        raise UnreadableDocument("no text in it; a scanned PDF needs OCR first")
    return _title(reader)


def _open(data: bytes) -> PdfReader:
    try:
        reader = PdfReader(BytesIO(data))
        encrypted = reader.is_encrypted
    except Exception as error:  # pypdf also lets ValueError, KeyError and others out of broken files
        raise UnreadableDocument("damaged PDF") from error
    # Many PDFs are encrypted with an empty password, only to forbid printing; every viewer opens them.
    try:
        if encrypted and not reader.decrypt(""):
            raise UnreadableDocument("encrypted PDF; remove its password first")
    except (PyPdfError, DependencyError, NotImplementedError) as error:
        raise UnreadableDocument("encrypted PDF, in a way that cannot be read") from error
    return reader


def _page_text(reader: PdfReader, number: int) -> str:
    try:
        return reader.pages[number - 1].extract_text()
    except Exception as error:  # see _open
        raise UnreadableDocument(f"damaged PDF: page {number} cannot be read") from error


def _paragraphs(text: str) -> list[str]:
    text = "\n".join(line.rstrip() for line in text.translate(_LIGATURES).splitlines())
    text = _CONTINUED.sub(" ", _HYPHENATED.sub("", text))
    return _BLANK_LINES.split(text)


def _title(reader: PdfReader) -> str:
    try:
        title = one_line(str((reader.metadata and reader.metadata.title) or ""))
    except Exception:  # a broken properties table is no reason to refuse the text
        return ""
    title = title.removeprefix("Microsoft Word - ").removeprefix("Microsoft PowerPoint - ")
    return "" if _NO_TITLE.fullmatch(title) else title
