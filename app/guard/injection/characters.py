"""Characters that hide what a text says: invisible ones, look-alikes, styled letters.

`clean` gives the text as a reader sees it, and where each of its characters came from.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# Look-alikes of Latin letters that neither NFKC nor NFKD folds; by hand, after Unicode's confusables (TR39).
_CYRILLIC = dict(zip("авеёзіїјкмнорсѕтухцчьпгԁԛԝһӏѵүґҽ", "abee3iijkmhopcstyxu4bnrdqwhlvyre", strict=True))
_CYRILLIC |= dict(zip("АВЕЁЗІЇЈКМНОРСЅТУХЬПГԀԚԜҺӀҮ", "ABEE3IIJKMHOPCSTYXBNRDQWHIY", strict=True))
_GREEK = dict(zip("αβγδεζηικμνοπρστυφχωϲϳ", "abydeznikuvonpotuoxwcj", strict=True))
_GREEK |= dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹͿ", "ABEZHIKMNOPTYXCJ", strict=True))
_OTHER_SCRIPTS = dict(zip("ագհոսցօյոՕՏՍԼ", "wqhnugojnOSUL", strict=True))
_OTHER_SCRIPTS |= dict(zip("ᎪᏴᏟᎠᎬᎻᎥᎫᏦᏞᎷᏢᏒᏚᎢᏙᎳᏃ", "ABCDEHiJKLMPRSTVWZ", strict=True))
LOOK_ALIKES = {**_CYRILLIC, **_GREEK, **_OTHER_SCRIPTS}

# Styled letters without a compatibility decomposition; they stand for themselves in any word.
_STYLED = dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘǫʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnopqrstuvwyz", strict=True))
_STYLED |= dict(zip("ɐɔǝɟƃɥᴉɾʞɯɹʇʌʍʎ", "acefghijkmrtvwy", strict=True))
_STYLED |= dict(zip("ɑɡıȷɩɭøđħłŧƙɓɗɛǀ∣", "agijilodhltkbdell", strict=True))
_STYLED |= {chr(0x1F130 + i + step): chr(97 + i) for i in range(26) for step in (0, 0x20, 0x40)}
_STYLED |= {chr(0x1F1E6 + i): chr(97 + i) for i in range(26)}
_STYLED |= {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "‐": "-", "‑": "-", "…": "..."}

_DIACRITICS = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
# Tabs and line breaks are kept: windows are cut there.
_SPECIAL = re.compile(r"[^\t\n\r -~]+")
_WORD = re.compile(r"[^\W\d_]+")
_ODD = re.compile("[" + "".join(LOOK_ALIKES) + "]")
_LATIN = re.compile("[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """`text` and, for each of its characters, the index in the original; `hidden` counts invisible characters that
    were left out. `origin` is int64, shape (len(text) + 1,); its last is the original's length."""

    text: str
    origin: NDArray[np.int64] | None  # None: nothing changed
    hidden: int
    length: int

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The original's characters that became `start` to `end`."""
        if self.origin is None:
            return start, end
        first = int(self.origin[start]) if start < len(self.origin) else self.length
        return first, int(self.origin[end - 1]) + 1 if end > start else first


@lru_cache(maxsize=8192)
def _plain(character: str) -> str | None:
    """What a reader sees; None: nothing."""
    styled = _STYLED.get(character)
    if styled is not None:
        return styled
    category = unicodedata.category(character)
    if category in ("Cf", "Cc", "Cn") or "\ufe00" <= character <= "\ufe0f" or "\U000e0000" <= character <= "\U000e01ef":
        return None
    if character in "\u115f\u1160\u3164\uffa0\u2800\u180b\u180c\u180d":  # blank letters
        return None
    if category == "Cs":
        return "?"
    if category[0] == "Z":
        return "\n" if character in "\u2028\u2029" else " "
    apart = unicodedata.normalize("NFKD", character)
    if apart[0] <= "~":  # an accented or styled Latin letter
        return _DIACRITICS.sub("", apart)
    if _DIACRITICS.match(character):
        return None
    return unicodedata.normalize("NFKC", character)


def clean(text: str) -> Cleaned:
    """Without invisible characters, accents and styles; Latin look-alikes folded inside of Latin texts."""
    if text.isascii() and text.isprintable():
        return Cleaned(text, None, 0, len(text))
    pieces: list[str] = []
    origins: list[NDArray[np.int64]] = []
    hidden = at = 0
    for run in _SPECIAL.finditer(text):
        start, end = run.span()
        if at < start:
            pieces.append(text[at:start])
            origins.append(np.arange(at, start))
        where: list[int] = []
        for index in range(start, end):
            plain = _plain(text[index])
            if plain is None:
                hidden += 1
            else:
                pieces.append(plain)
                where += [index] * len(plain)
        origins.append(np.array(where, dtype=np.int64))
        at = end
    if not origins:
        return Cleaned(text, None, 0, len(text))
    pieces.append(text[at:])
    origins += [np.arange(at, len(text)), np.array([len(text)])]
    return Cleaned(fold_look_alikes("".join(pieces)), np.concatenate(origins), hidden, len(text))


def fold_look_alikes(text: str) -> str:
    """Latin letters for their look-alikes in words that mix scripts, and in words of nothing but look-alikes when most
    of the text is Latin. Keeps the length. Other scripts stay what they are."""
    if _ODD.search(text) is None:
        return text
    latin = len(_LATIN.findall(text))
    mostly_latin = latin * 2 > sum(map(len, _WORD.findall(text)))

    def fold(word: re.Match[str]) -> str:
        found = word[0]
        odd = len(_ODD.findall(found))
        if odd and (_LATIN.search(found) or (mostly_latin and odd == len(found))):
            return "".join(LOOK_ALIKES.get(character, character) for character in found)
        return found

    return _WORD.sub(fold, text)


def smuggled(text: str) -> str:
    """What invisible characters spell: Unicode's tags (U+E0020 to U+E007E are ASCII), and bytes as variation selectors
    (U+FE00 to U+FE0F are 0 to 15, U+E0100 to U+E01EF are 16 to 255); "" when it is nothing legible."""
    if text.isascii():
        return ""
    tags = "".join(chr(ord(c) - 0xE0000) for c in text if "\U000e0020" <= c <= "\U000e007e")
    selectors = bytes(
        ord(c) - 0xFE00 if c < "\U000e0100" else ord(c) - 0xE0100 + 16
        for c in text
        if "\ufe00" <= c <= "\ufe0f" or "\U000e0100" <= c <= "\U000e01ef"
    )
    spelled = selectors.decode(errors="ignore") if len(selectors) > 7 else ""
    return "\n".join(part for part in (tags, spelled) if len(part) > 7 and part.isprintable())
