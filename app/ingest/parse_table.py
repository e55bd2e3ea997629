"""Tables as text (.csv, .tsv): a block for each row, with the names of its columns."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from io import StringIO
from itertools import pairwise

from app.ingest.decode import decode
from app.ingest.document import DocumentBuilder, Limits, UnreadableDocument, clean, one_line

_DELIMITERS = ",;\t|"
_NUMBER = re.compile(r"[-+]?[\d.,]*\d[\d.,]*%?")
_WHOLE = re.compile(r"\d{1,9}")
_YEAR = re.compile(r"(?:19|20)\d\d")
_SAMPLE_ROWS = 20


def read_csv(data: bytes, builder: DocumentBuilder, limits: Limits) -> str:
    """Feed a line of `name: value` pairs for each row. A table has no title of its own.

    Of comma, semicolon, tab and bar that one separates which cuts the first rows most evenly. The first row names the
    columns when its cells differ, no more than half are blank and none is a number, but for years and numbers that
    count on (`Country,2019,2020`) beside a word. Columns without a name are called "column 1" and so on.
    """
    text = clean(decode(data))
    return _feed(text, _delimiter(text, limits), builder, limits)


def read_tsv(data: bytes, builder: DocumentBuilder, limits: Limits) -> str:
    """As `read_csv`, with tabs."""
    return _feed(clean(decode(data)), "\t", builder, limits)


def _feed(text: str, delimiter: str, builder: DocumentBuilder, limits: Limits) -> str:
    rows = _rows(text, delimiter, limits)
    first, second = (_cells(rows, at) for at in (0, 1))
    names: list[str] = []
    if _is_header(first, second):
        names = [name or f"column {number}" for number, name in enumerate(first, 1)]
        rows = rows[1:]
    for row in rows:
        builder.block(_line(names, row))
    if builder.is_empty:
        builder.block(" | ".join(filter(None, first)))  # nothing but a header: its words are not lost
    return ""


def _cells(rows: Sequence[Sequence[str]], at: int) -> list[str]:
    return [one_line(cell) for cell in rows[at]] if at < len(rows) else []


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


def _is_header(row: Sequence[str], below: Sequence[str]) -> bool:
    names = list(filter(None, row))
    if 2 * len(names) < len(row) or len(set(names)) < len(names):  # a title above the table has blanks beside it
        return False
    numbers = [at for at, cell in enumerate(row) if _NUMBER.fullmatch(cell)]
    if not numbers or len(numbers) == len(names):
        return not numbers
    are_years = all(_YEAR.fullmatch(row[at]) for at in numbers)
    return _count_on([row[at] for at in numbers]) or (
        are_years and not any(_YEAR.fullmatch(below[at]) for at in numbers if at < len(below))
    )


def _count_on(numbers: Sequence[str]) -> bool:
    """Whether they are 1, 2, 3 or 2020, 2019 and the like."""
    if len(numbers) < 2 or not all(map(_WHOLE.fullmatch, numbers)):
        return False
    return {int(other) - int(one) for one, other in pairwise(numbers)} in ({1}, {-1})


def _line(names: Sequence[str], row: Sequence[str]) -> str:
    padded = [*names, *(f"column {number}" for number in range(len(names) + 1, len(row) + 1))]
    pairs = zip(padded, row, strict=False)
    return "; ".join(f"{name}: {words}" for name, cell in pairs if (words := one_line(cell)))
