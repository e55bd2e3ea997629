"""What the ingest tests share: token counters that need no model, and PDFs made by hand."""

import re
from collections.abc import Callable, Sequence
from io import BytesIO

import pytest
from pypdf import PdfReader, PdfWriter

MakePdf = Callable[..., bytes]


class WordCounter:
    """A token is a word."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


class SubwordCounter:
    """Tokens are pieces of words, and marks: what WordPiece does, without a vocabulary."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(re.findall(r"\w{1,4}|[^\w\s]", text)) for text in texts]


@pytest.fixture(scope="session")
def word_counter() -> WordCounter:
    return WordCounter()


@pytest.fixture(params=[WordCounter, SubwordCounter], ids=["words", "subwords"], scope="session")
def counter(request: pytest.FixtureRequest) -> WordCounter | SubwordCounter:
    made: WordCounter | SubwordCounter = request.param()
    return made


@pytest.fixture(scope="session")
def make_pdf() -> MakePdf:
    """Makes a PDF with the given text on each page, a line for each of its lines."""

    def make(*pages: str, title: str = "", password: str | None = None, owner: str = "") -> bytes:
        data = _pdf(pages)
        if not title and password is None:
            return data
        writer = PdfWriter(clone_from=PdfReader(BytesIO(data)))
        if title:
            writer.add_metadata({"/Title": title})
        if password is not None:
            writer.encrypt(password, owner or None, algorithm="AES-256")
        buffer = BytesIO()
        writer.write(buffer)
        return buffer.getvalue()

    return make


def _pdf(pages: Sequence[str]) -> bytes:
    """A minimal PDF 1.4: catalogue, page tree, a font, and a page with its content for each text."""
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for at, text in enumerate(pages):
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * at} 0 R "
        objects.append(f"{page}/Resources << /Font << /F1 3 0 R >> >> >>".encode())
        lines = [re.sub(r"([\\()])", r"\\\1", line) for line in text.split("\n")]
        shown = " ".join(f"({line}) Tj T*" for line in lines).encode("cp1252")
        content = b"BT /F1 12 Tf 14 TL 72 720 Td " + shown + b" ET"
        objects.append(b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content))
    data = b"%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n%b" % (size, table)
    return data + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, start)
