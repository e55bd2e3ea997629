"""Which words are given names, surnames, places and usual English words: a table that ships with the package.

Made by `jobs/derive_names.py` from Faker and `names` (both MIT) and WordNet 3.1; their licences are in
`names.LICENSE` beside the table.
"""

import functools
import gzip
import unicodedata
from pathlib import Path

NAMES_FILE = Path(__file__).with_name("names.gz")

GIVEN, SURNAME, WORD, PLACE = 1, 2, 4, 8


def folded(word: str) -> str:
    """A word as the table has it: small, without accents, apostrophes alike."""
    if word.isascii():
        return word.lower()
    plain = unicodedata.normalize("NFD", word.lower().replace("’", "'").translate(_PLAIN))  # noqa: RUF001 - typographic
    return "".join(sign for sign in plain if not "\u0300" <= sign <= "\u036f")


_PLAIN = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ß": "ss", "æ": "ae", "œ": "oe", "ı": "i"})  # noqa: RUF001 - the Turkish letter is meant


@functools.cache
def names() -> dict[str, int]:
    """Word as `folded` gives it -> its flags. Raises OSError when the file is missing."""
    lines = gzip.decompress(NAMES_FILE.read_bytes()).decode().split("\n")
    return {name: int(flag, 16) for name, flag in (line.split(" ") for line in lines)}
