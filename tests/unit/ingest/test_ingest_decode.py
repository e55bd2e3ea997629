"""Encodings that documents declare, and do not have."""

import pytest

from app.ingest.decode import decode
from app.ingest.parse import parse_bytes


@pytest.mark.parametrize("declared", ["utf-16", "UTF-16LE", "utf-16be", "utf_16", "utf-32"])
@pytest.mark.parametrize("words", ["Opening hours.", "Gr\u00fc\u00dfe."])
def test_a_page_that_says_in_ascii_that_it_is_utf_16_is_utf_8(declared: str, words: str) -> None:
    for source in (f'<meta charset="{declared}"><p>{words}', f'<meta charset="{declared}"><p>{words} '):
        assert parse_bytes(source.encode(), "a.html").text == words


def test_neither_is_it_where_its_other_bytes_are_windows_1252() -> None:
    data = '<meta charset="utf-16"><p>Gr\u00fc\u00dfe aus Bern.'.encode("cp1252")
    assert parse_bytes(data + b" " * (len(data) % 2), "a.html").text == "Gr\u00fc\u00dfe aus Bern."


def test_utf_16_with_its_mark_is_read_whatever_is_declared() -> None:
    assert decode("W\u00f6rter".encode("utf-16"), "utf-16") == "W\u00f6rter"
    assert decode("W\u00f6rter".encode("utf-16"), "iso-8859-1") == "W\u00f6rter"
