"""Words of a text, as the recognizer of names sees them."""

# ruff: noqa: RUF001 - forms and lists of words read best on one line, and hold signs of all scripts

import re
from dataclasses import dataclass

from app.guard.pii.gazetteer import folded, names

# A letter, then letters, the signs of Indic and South-East Asian scripts and combining accents, and what joins parts.
_WORD = re.compile(
    r"(?:[^\W\d_](?:[^\W\d_]|[\u0300-\u036f\u064b-\u065f\u0900-\u0dff\u0e00-\u0e7f\u1000-\u109f])*)"
    r"(?:['’\-\u2010\u2011](?=[^\W\d_])(?:[^\W\d_]|[\u0300-\u036f\u0900-\u0dff])+)*"
)
# What holds words that are none: links, addresses, names of files and of things in code.
_CODE = re.compile(
    r"(?:https?://|www\.)[^\s<>\"')\]]{1,2000}|(?<![^\s<>,;:(])[^\s<>@,;:(]{1,64}@[\w.-]{1,255}"
    r"|(?<![\w.-])[\w-]{1,60}(?:/[\w.-]{1,60}){2,20}|`[^`\n]{1,80}`|\b[^\W_]{1,60}_\w{1,60}|\b\w{1,60}\(\)"
)

TITLE, UPPER, SMALL, MIXED, CASELESS = "T", "U", "l", "M", "x"


@dataclass(slots=True)
class Word:
    """One word: where it is, its case, its key in the table, and the table's flags (0: unknown)."""

    start: int
    end: int
    case: str
    key: str
    flags: int
    gap: str  # what stands between the word before and this one
    in_code: bool


def words_of(text: str) -> list[Word]:
    """All words, in order. Time linear in the text's length."""
    table = names()
    code = [match.span() for match in _CODE.finditer(text)] if any(sign in text for sign in "/@`_(") else []
    found: list[Word] = []
    last, at = 0, 0
    for match in _WORD.finditer(text):
        start, end = match.span()
        word = match[0]
        if word[-2:] in ("'s", "’s", "'S"):
            stem = word[:-2]
            if stem.lower() not in ("it", "that", "what", "there", "here", "he", "she", "let", "who", "where", "how"):
                word, end = stem, end - 2
        while at < len(code) and code[at][1] <= start:
            at += 1
        in_code = at < len(code) and code[at][0] <= start
        if not in_code:
            before, after = text[start - 1 : start], text[end : end + 1]
            in_code = before.isdigit() or after.isdigit() or before in ("@", "\\", "$") or before == "_" or after == "_"
        key = folded(word)
        flags = table.get(key, 0)
        if not flags and "-" in key:
            flags = _compound(key, table)
        found.append(Word(start, end, _case(word), key, flags, text[last:start], in_code))
        last = end
    return found


def _compound(key: str, table: dict[str, int]) -> int:
    """Flags that all parts share: Anne-Sophie, Smith-Jones, Al-Harbi."""
    parts = [part for part in key.split("-") if part and part not in ("al", "el")]
    flags = table.get(parts[0], 0) if parts else 0
    for part in parts[1:]:
        flags &= table.get(part, 0)
    return flags & 3


def _case(word: str) -> str:
    first = word[0]
    if first.isupper():
        if len(word) == 1:
            return TITLE
        if word.isupper():
            return UPPER
        rest = word[1:]
        if rest.islower():
            return TITLE
        # O'Brien, Jean-Luc, McDonald, DeShawn against iOS, GitHub, and so on: hyphens and one more capital.
        return (
            TITLE
            if all(part[:1].isupper() or part.islower() for part in re.split(r"['’-]", word))
            and sum(map(str.isupper, word)) <= 2 + word.count("-") + word.count("'")
            and not word[-1].isupper()
            else MIXED
        )
    if first.islower():
        return SMALL if word.islower() else MIXED
    return CASELESS
