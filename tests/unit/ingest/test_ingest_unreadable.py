"""Whatever is in a file, it is read or refused with a short reason. No library's error gets out."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.ingest.document import Limits, UnreadableDocument
from app.ingest.parse import READERS, parse, parse_bytes

TEXT = [suffix for suffix in READERS if suffix not in (".pdf", ".docx")]
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256))


def reason(data: bytes, name: str, limits: Limits | None = None) -> str:
    with pytest.raises(UnreadableDocument) as caught:
        parse_bytes(data, name, limits or Limits())
    assert str(caught.value) == caught.value.reason
    assert len(caught.value.reason) < 80
    return caught.value.reason


@pytest.mark.parametrize("suffix", READERS)
def test_an_empty_file_is_refused(suffix: str) -> None:
    assert reason(b"", f"a{suffix}") == "empty file"


@pytest.mark.parametrize("suffix", TEXT)
def test_blank_text_is_refused(suffix: str) -> None:
    assert reason(b" \n\t\n ", f"a{suffix}") == "no text in it"


@pytest.mark.parametrize("suffix", TEXT)
def test_binary_bytes_under_a_text_suffix_are_refused(suffix: str) -> None:
    assert reason(PNG, f"a{suffix}") == "binary data, not text"


def test_a_pdf_under_a_text_suffix_is_refused(make_pdf: Callable[..., bytes]) -> None:
    assert "rename it to .pdf" in reason(make_pdf("Words."), "a.txt")


@pytest.mark.parametrize("data", [b"just words", PNG])
def test_what_is_no_pdf_is_refused_under_its_suffix(data: bytes) -> None:
    assert reason(data, "a.pdf") == "not a PDF, whatever its suffix says"


def test_an_encrypted_pdf_is_refused(make_pdf: Callable[..., bytes]) -> None:
    assert reason(make_pdf("Secret.", password="password"), "a.pdf") == "encrypted PDF; remove its password first"


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_pdf_is_refused(make_pdf: Callable[..., bytes], share: float) -> None:
    data = make_pdf(*(f"Page {number}." for number in range(30)))
    assert reason(data[: int(len(data) * share)], "a.pdf") == "truncated PDF: its end is missing"


def test_a_pdf_without_its_page_tree_is_refused(make_pdf: Callable[..., bytes]) -> None:
    assert reason(make_pdf("Words.").replace(b"/Pages", b"/Bages"), "a.pdf").startswith("damaged")


def test_a_pdf_without_text_is_refused_with_a_hint(make_pdf: Callable[..., bytes]) -> None:
    assert "OCR" in reason(make_pdf("", ""), "scan.pdf")


def test_too_many_pages_are_refused(make_pdf: Callable[..., bytes]) -> None:
    assert reason(make_pdf("a", "b", "c"), "a.pdf", Limits(max_pages=2)) == "3 pages; at most 2 are read"


def test_too_much_text_is_refused() -> None:
    assert reason(b"word " * 100, "a.txt", Limits(max_characters=99)) == "more than 99 characters of text"


def test_too_large_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * 2_000_001)
    with pytest.raises(UnreadableDocument, match=r"^larger than 2 MB$"):
        parse(path, Limits(max_bytes=2_000_000))


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("nowhere"), lambda path: None])
def test_what_cannot_be_opened_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "a.txt")
    with pytest.raises(UnreadableDocument, match=r"^cannot be opened: "):
        parse(tmp_path / "a.txt")


def test_damaged_utf8_is_not_taken_for_latin1() -> None:
    assert reason("Grüße an Zoë".encode()[:-1] + b" end", "a.txt") == "damaged UTF-8 text at byte 13"


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r", "iso8859-7", "shift-jis"])
def test_an_encoding_that_would_give_garbage_is_refused(encoding: str) -> None:
    text = {"iso8859-7": "Καλημέρα κόσμε", "shift-jis": "日本語の文章です"}.get(encoding, "Привет мир")
    assert reason(text.encode(encoding), "a.txt") == "unknown text encoding; save it as UTF-8"


def test_html_that_its_parser_would_cut_short_is_refused() -> None:
    source = b"<p>seen" + b"<div>" * 5000 + b"lost" + b"</div>" * 5000
    assert reason(source, "a.html") == "HTML that is nested too deeply"


def test_an_unknown_suffix_is_refused() -> None:
    assert reason(b"x", "a.xyz") == "unsupported type .xyz"


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=400), suffix=st.sampled_from(sorted(READERS)))
def test_any_bytes_are_read_or_refused(data: bytes, suffix: str) -> None:
    parse_or_refuse(data, suffix)


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=400), suffix=st.sampled_from(sorted(READERS)))
def test_any_text_is_read_or_refused(text: str, suffix: str) -> None:
    parse_or_refuse(text.encode("utf-8", "surrogatepass"), suffix)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(st.tuples(st.floats(0, 0.999), st.binary(max_size=8)), min_size=1, max_size=6))
def test_a_pdf_with_overwritten_bytes_is_read_or_refused(
    make_pdf: Callable[..., bytes], edits: list[tuple[float, bytes]]
) -> None:
    data = make_pdf("Some words on a page.", "More words.")
    for share, patch in edits:
        at = int(share * len(data))
        data = data[:at] + patch + data[at + len(patch) :]
    parse_or_refuse(data, ".pdf")


def parse_or_refuse(data: bytes, suffix: str) -> None:
    try:
        document = parse_bytes(data, f"a{suffix}")
    except UnreadableDocument:
        return
    assert document.text == document.text.rstrip() != ""
    assert document.text.split("\n", 1)[0].strip()
    document.text.encode()  # no broken characters get through
