"""Bytes to text: which encoding it is, and whether it is text at all."""

import codecs

from app.ingest.document import UnreadableDocument

_BYTE_ORDER_MARKS = (  # UTF-32's mark begins with UTF-16's, so it is asked first
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# A declaration that was read byte by byte was not written in one of these, whatever it says. The HTML standard has
# pages that declare UTF-16 read as UTF-8.
_WIDE = ("utf-16", "utf-32")

# Control bytes that no text editor writes. Stray ones happen; one in a hundred is not text.
_CONTROL_BYTES = bytes(code for code in range(32) if code not in b"\t\n\r\f\b\x1b")
_MAX_STRAY_CONTROLS = 2
_MAX_CONTROL_SHARE = 0.01

# Windows-1252 gives every byte some letter, so it never fails on what it is not. Western European
# text has few letters beyond ASCII; Cyrillic, Greek or Asian bytes are mostly beyond it.
_MAX_LEGACY_SHARE = 0.3


def decode(data: bytes, declared: str | None = None) -> str:
    """The text of `data`. `declared` is the encoding that the document itself names, if it does.

    In this order: a byte order mark, the declared encoding, UTF-8, Windows-1252 (a superset of
    Latin-1's printable characters). The last only where it is plausible: a wrong guess would fill
    the knowledge base with garbage that looks ingested. Raises UnreadableDocument.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _strictly(data, encoding)
    _refuse_binary(data)
    if declared and (text := _as_declared(data, declared)) is not None:
        return text
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        return _legacy(data, error.start)


def _strictly(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnreadableDocument(f"damaged {encoding.upper()} text at byte {error.start}") from error


def _refuse_binary(data: bytes) -> None:
    if data.startswith(b"%PDF-"):
        raise UnreadableDocument("a PDF under another suffix; rename it to .pdf")
    control = len(data) - len(data.translate(None, _CONTROL_BYTES))
    if b"\0" in data or control > max(_MAX_STRAY_CONTROLS, _MAX_CONTROL_SHARE * len(data)):
        raise UnreadableDocument("binary data, not text")


def _as_declared(data: bytes, declared: str) -> str | None:
    try:
        name = codecs.lookup(declared).name
        if name.startswith(_WIDE):
            return None
        # Browsers read both labels as Windows-1252, and authors rely on it.
        return data.decode("cp1252" if name in ("iso8859-1", "ascii") else name)
    except (LookupError, UnicodeError):  # an unknown name, or not what the bytes are
        return None


def _legacy(data: bytes, first_bad_byte: int) -> str:
    # Characters of several bytes that do decode are UTF-8's signature; in other encodings they are chance.
    as_utf8 = data.decode("utf-8", errors="replace")
    failed = as_utf8.count("\ufffd")
    if sum(not character.isascii() for character in as_utf8) - failed > failed:
        raise UnreadableDocument(f"damaged UTF-8 text at byte {first_bad_byte}")
    beyond_ascii = len(data) - len(data.translate(None, bytes(range(128, 256))))
    if beyond_ascii <= _MAX_LEGACY_SHARE * len(data):
        try:
            return data.decode("cp1252")
        except UnicodeDecodeError:
            pass
    raise UnreadableDocument("unknown text encoding; save it as UTF-8")
