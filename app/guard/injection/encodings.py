"""Texts inside of a text that only a machine reads at sight: base64, hexadecimal, shifted alphabets, Morse and others.

Each decoder looks for its own alphabet in linear time, and keeps only what decodes to something legible. What was
found is decoded again, to a depth of `DEPTH`, since encodings are put into each other. All of it is bounded: `MOST`
pieces and `CHARACTERS` decoded characters a text.
"""

import base64
import binascii
import codecs
import html
import re
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

MOST = 16
CHARACTERS = 8_000
DEPTH = 2

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}(?:\r?\n[A-Za-z0-9+/_-]{16,})*={0,2}")
_BASE32 = re.compile(r"\b[A-Z2-7]{24,}={0,6}")
_HEX = re.compile(r"(?:(?:\\x|0x|%)?[0-9A-Fa-f]{2}[ ,:;]{0,2}){8,}")
_BINARY = re.compile(r"(?:\b[01]{7,8}\b[ ,]{0,2}){6,}|\b(?:[01]{8}){6,}\b")
_DECIMAL = re.compile(r"(?:\b\d{2,3}\b[ ,;]{1,2}){8,}\d{2,3}\b")
_OCTAL = re.compile(r"(?:\\[0-3]?[0-7]{2}[ ,]?){8,}")
_ESCAPES = re.compile(
    r"(?:\\u\{?[0-9A-Fa-f]{2,6}\}?|U\+[0-9A-Fa-f]{2,6})(?:[^\\U]{0,2}(?:\\u\{?[0-9A-Fa-f]{2,6}\}?|U\+[0-9A-Fa-f]{2,6})){5,}"
)
_ENTITY = re.compile(
    r"&#(?:\d{2,6}|[xX][0-9A-Fa-f]{2,5});?(?:[^&]{0,3}&#(?:\d{2,6}|[xX][0-9A-Fa-f]{2,5});?){3,}[^&\n]{0,80}"
)
_QUOTED = re.compile(r"(?:[^\s=%]{0,8}[=%][0-9A-Fa-f]{2}){4,}[^\s=%]{0,40}")
_MORSE = re.compile(r"(?:[.\-•–−]{1,6}(?: +/? *| */ *|\n)){8,}[.\-•–−]{1,6}")
_BRAILLE = re.compile("[\u2801-\u28ff][\u2800-\u28ff ]{7,}")
_LETTERS = re.compile(r"[A-Za-z]+")
_OPAQUE = re.compile(r"[!-~]{16,}")  # what may be encoded once more
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\u00a1-\U0001faff]")

# Frequent words, and those of commands: what a shifted or reversed alphabet must give to be believed.
COMMON = frozenset(
    "the and you your are for with not that this all any now what how from have was will can tell give must only "
    "ignore previous instructions instruction prompt system rules reveal print show say write text into about "
    "is it of to in do my me be as on or".split()
)
_MORSE_LETTERS = dict(
    zip(
        ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
        "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----. .-.-.- --..-- ..--.. -.-.-- .----.".split(),
        "abcdefghijklmnopqrstuvwxyz0123456789.,?!'",
        strict=True,
    )
)
# Dots 1 to 6 are the bits of the character from the lowest.
_BRAILLE_LETTERS = dict(zip("⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵⠀", "abcdefghijklmnopqrstuvwxyz ", strict=True))
_ATBASH = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQPONMLKJIHGFEDCBA"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A decoded text, how it was encoded, and where that stood."""

    text: str
    encoding: str
    start: int
    end: int


def decoded(text: str) -> list[Piece]:
    """What is encoded in a text, the outer layers first; spans are those of the outermost one."""
    found: list[Piece] = []
    queue = [Piece(text, "", 0, len(text))]
    left = CHARACTERS
    for depth in range(DEPTH):
        following: list[Piece] = []
        for outer in queue:
            for piece in _once(outer.text):
                if len(found) == MOST or left <= 0:
                    return found
                start, end = (piece.start, piece.end) if depth == 0 else (outer.start, outer.end)
                kept = Piece(piece.text[:left], piece.encoding, start, end)
                left -= len(kept.text)
                following.append(kept)
                if is_legible(kept.text):
                    found.append(kept)
        queue = following
    return found


def _once(text: str) -> Iterator[Piece]:
    for name, pattern, may, decode in _DECODERS:
        if not may(text):
            continue
        for match in islice(pattern.finditer(text), 4 * MOST):
            plain = decode(match[0][: 2 * CHARACTERS])
            if is_legible(plain) or _OPAQUE.fullmatch(plain):
                yield Piece(plain, name, match.start(), match.end())
    yield from _shifted(text)


def is_legible(text: str) -> bool:
    """Text with words, not bytes that happen to decode."""
    if len(text) < 6 or _UNPRINTABLE.search(text):
        return False
    letters = sum(map(len, _LETTERS.findall(text)))
    wide = sum(character > "\u0370" for character in text)
    return (letters + wide) * 10 >= len(text) * 6 and (" " in text or wide > 4)


def _base64(found: str) -> str:
    compact = re.sub(r"\s", "", found).rstrip("=").replace("-", "+").replace("_", "/")
    return _utf8(
        base64.b64decode,
        compact[: len(compact) // 4 * 4] if len(compact) % 4 == 1 else compact + "=" * (-len(compact) % 4),
    )


def _base32(found: str) -> str:
    compact = found.rstrip("=")
    return _utf8(base64.b32decode, compact + "=" * (-len(compact) % 8))


def _hex(found: str) -> str:
    return _utf8(bytes.fromhex, re.sub(r"\\x|0x|[^0-9A-Fa-f]", "", found))


def _binary(found: str) -> str:
    groups = found.replace(",", " ").split()
    if len(groups) == 1:
        groups = [found[at : at + 8] for at in range(0, len(found) - 7, 8)]
    return _utf8(bytes, [int(group, 2) for group in groups])


def _decimal(found: str) -> str:
    numbers = [int(number) for number in re.findall(r"\d+", found)]
    return _utf8(bytes, numbers) if max(numbers) < 256 else ""


def _octal(found: str) -> str:
    return _utf8(bytes, [int(number, 8) for number in re.findall(r"[0-7]+", found)])


def _escapes(found: str) -> str:
    def character(match: re.Match[str]) -> str:
        number = int(match[1], 16)
        return chr(number) if number < 0x110000 else ""

    return re.sub(r"(?:\\u\{?|U\+)([0-9A-Fa-f]{2,6})\}?", character, found)


def _morse(found: str) -> str:
    plain = found.translate(str.maketrans("•–−", ".--"))
    words = re.split(r" *[/\n] *| {2,}", plain)
    return " ".join("".join(_MORSE_LETTERS.get(letter, "") for letter in word.split()) for word in words)


def _utf8(decode: Callable[..., bytes], given: object) -> str:
    try:
        return decode(given).decode()
    except (ValueError, binascii.Error, OverflowError):
        return ""


def _always(text: str) -> bool:
    return True


_DECODERS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool], Callable[[str], str]], ...] = (
    ("base64", _BASE64, _always, _base64),
    ("base32", _BASE32, _always, _base32),
    ("hex", _HEX, _always, _hex),
    ("binary", _BINARY, lambda text: "01" in text, _binary),
    ("decimal", _DECIMAL, _always, _decimal),
    ("octal", _OCTAL, lambda text: text.count("\\") > 7, _octal),
    ("escapes", _ESCAPES, lambda text: "\\u" in text or "U+" in text, _escapes),
    ("entities", _ENTITY, lambda text: "&#" in text, html.unescape),
    ("url", _QUOTED, lambda text: text.count("%") > 3, urllib.parse.unquote),
    ("quoted", _QUOTED, lambda text: text.count("=") > 3, lambda text: urllib.parse.unquote(text.replace("=", "%"))),
    ("morse", _MORSE, lambda text: text.count(".") + text.count("-") + text.count("•") > 15, _morse),
    (
        "braille",
        _BRAILLE,
        lambda text: not text.isascii(),
        lambda text: "".join(_BRAILLE_LETTERS.get(sign, " " if sign == " " else "") for sign in text),
    ),
)


def _common(text: str) -> int:
    return sum(word in COMMON for word in _LETTERS.findall(text.lower()))


def _shifted(text: str) -> Iterator[Piece]:
    """Sentences in a shifted alphabet (rot13 and other Caesar ciphers, Atbash) or written backwards: those with hardly
    a common word that have several once they are turned."""
    for match in re.finditer(r"[^\n\"“”:]{12,}", text[: 2 * CHARACTERS]):
        sentence = match[0]
        words = len(_LETTERS.findall(sentence))
        if words < 3 or _common(sentence) * 8 > words:
            continue
        best, name, most = "", "", max(1, words // 6)
        head = sentence[:240]
        for shift in range(-1, 26):
            turned = head[::-1] if shift == -1 else head.translate(_ATBASH) if shift == 0 else _caesar(head, shift)
            count = _common(turned)
            if count > most:
                best, name, most = str(shift), "reversed" if shift == -1 else "atbash" if shift == 0 else "rot", count
        if best:
            shift = int(best)
            whole = (
                sentence[::-1]
                if shift == -1
                else sentence.translate(_ATBASH)
                if shift == 0
                else _caesar(sentence, shift)
            )
            yield Piece(whole, name, match.start(), match.end())


def _caesar(text: str, shift: int) -> str:
    if shift == 13:
        return codecs.encode(text, "rot13")
    return text.translate(_SHIFTS[shift])


_LOWER = "abcdefghijklmnopqrstuvwxyz"
_SHIFTS = [
    str.maketrans(_LOWER + _LOWER.upper(), (_LOWER[k:] + _LOWER[:k]) + (_LOWER[k:] + _LOWER[:k]).upper())
    for k in range(26)
]
