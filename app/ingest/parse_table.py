"""Tables as text (.csv, .tsv): a block for each row, with the names of its columns."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from io import StringIO

from app.ingest.decode import decode
from app.ingest.document import DocumentBuilder, Limits, UnreadableDocument, clean, one_line

_DELIMITERS = ",;\t|"
_NUMBER = re.compile(r"[-+]?[\d.,]*\d[\d.,]*%?")
_SAMPLE_ROWS = 20


def read_csv(data: bytes, builder: DocumentBuilder, limits: Limits) -> str:
    """Feed a line of `name: value` pairs for each row. A table has no title of its own.

    Of comma, semicolon, tab and bar that one separates which cuts the first rows most evenly. The first row names the
    columns when its cells differ, none is blank and none is a number; else they are called "column 1" and so on.
    """
    text = clean(decode(data))
    return _feed(text, _delimiter(text, limits), builder, limits)


def read_tsv(data: bytes, builder: DocumentBuilder, limits: Limits) -> str:
    """As `read_csv`, with tabs."""
    return _feed(clean(decode(data)), "\t", builder, limits)


def _feed(text: str, delimiter: str, builder: DocumentBuilder, limits: Limits) -> str:
    names: list[str] | None = None
    for row in _rows(text, delimiter, limits):
        if names is None:
            names = _names(row)
            if names == [one_line(cell) for cell in row]:
                continue
        builder.block(_line(names, row))
    if builder.is_empty and names:
        builder.block(" | ".join(names))  # nothing but a header: its words are not lost
    return ""


def _rows(text: str, delimiter: str, limits: Limits) -> list[list[str]]:
    # The module's limit on a cell is global; the text is bounded already.
    csv.field_size_limit(max(csv.field_size_limit(), limits.max_bytes))
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=False)
    try:
        return [row for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise UnreadableDocument("damaged table") from error


def _delimiter(text: str, limits: Limits) -> str:
    sample = "\n".join(text.split("\n", _SAMPLE_ROWS)[:_SAMPLE_ROWS])

    def evenness(delimiter: str) -> tuple[int, int]:
        widths = Counter(len(row) for row in _rows(sample, delimiter, limits))
        width, rows = max(widths.items(), key=lambda item: (item[0] > 1, item[1]), default=(1, 0))
        return (rows, width) if width > 1 else (0, 0)

    return max(_DELIMITERS, key=evenness)


def _names(row: Sequence[str]) -> list[str]:
    cells = [one_line(cell) for cell in row]
    is_header = all(cells) and len(set(cells)) == len(cells) and not any(map(_NUMBER.fullmatch, cells))
    return cells if is_header else [f"column {number}" for number in range(1, len(cells) + 1)]


def _line(names: Sequence[str], row: Sequence[str]) -> str:
    padded = [*names, *(f"column {number}" for number in range(len(names) + 1, len(row) + 1))]
    pairs = zip(padded, row, strict=False)
    return "; ".join(f"{name}: {words}" for name, cell in pairs if (words := one_line(cell)))
