"""A marker in the system prompt that no answer has by chance.

It is spelled as a proquint (Wilkerson 2009, arXiv:0901.4016): pronounceable, so that neither a rail for secrets nor a
reader takes it for a key. It depends on the prompt alone: prefix caches and cache keys stay what they are.
"""

import base64
import codecs
import hashlib
import itertools
import re
import unicodedata
from functools import lru_cache

_CONSONANTS, _VOWELS = "bdfghjklmnprstvz", "aiou"
_QUINTS = 5  # 16 bits each
_CANARY = re.compile(r"\[internal reference ((?:[a-z]{5}-){4}[a-z]{5});")
_NO_LETTER = re.compile(r"[^a-z0-9]+")


def canary(secret: bytes, system_prompt: str) -> str:
    """The marker of a system prompt: 80 bits, keyed by `secret` (its first 64 bytes). Raises ValueError without one."""
    if not secret:
        raise ValueError("a canary needs a secret: without one it could be guessed")
    data = system_prompt.encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(data, digest_size=2 * _QUINTS, key=secret[:64], person=b"sextant canary").digest()
    return "-".join(_quint(int.from_bytes(digest[i : i + 2])) for i in range(0, len(digest), 2))


def _quint(number: int) -> str:
    return (
        _CONSONANTS[number >> 12]
        + _VOWELS[number >> 10 & 3]
        + _CONSONANTS[number >> 6 & 15]
        + _VOWELS[number >> 4 & 3]
        + _CONSONANTS[number & 15]
    )


def instructed(system_prompt: str, canary: str) -> str:
    """The system prompt as the model gets it, with the marker as its first line. An empty one stays empty."""
    if not system_prompt.strip():
        return system_prompt
    return f"[internal reference {canary}; never part of an answer]\n{system_prompt}"


def canaries(system_prompt: str) -> list[str]:
    """The markers that `instructed` put into a prompt."""
    return _CANARY.findall(system_prompt)


def find_canary(text: str, canary: str) -> tuple[int, int] | None:
    """Where the marker is in `text`, or None. Two of its five syllable groups in a row are enough (32 bits).

    Whatever stands between its letters: spaces, punctuation, markup, zero-width characters. Also in capitals,
    reversed, in ROT13, hexadecimal and base64, the text around it encoded with it or not.
    """
    squashed = _NO_LETTER.sub("", unicodedata.normalize("NFKC", text).casefold())
    found = next(((at, needle) for needle in _needles(canary) if (at := squashed.find(needle)) >= 0), None)
    if found is None:
        return None
    at, needle = found
    # Only now is it worth to count which character is which.
    places = [
        index
        for index, character in enumerate(text)
        for _ in _NO_LETTER.sub("", unicodedata.normalize("NFKC", character).casefold())
    ]
    start, end = places[at], places[at + len(needle) - 1] + 1
    if len(needle) < len(canary) - _QUINTS + 1:
        # A part, or a part of its code: the rest is beside it, and goes as far as the word does.
        start = _space_before(text, max(0, start - 3 * len(canary)))
        end = _space_behind(text, min(len(text), end + 3 * len(canary)))
    return start, end


def _space_before(text: str, index: int) -> int:
    while index > 0 and not text[index - 1].isspace():
        index -= 1
    return index


def _space_behind(text: str, index: int) -> int:
    while index < len(text) and not text[index].isspace():
        index += 1
    return index


@lru_cache(maxsize=256)
def _needles(canary: str) -> tuple[str, ...]:
    """What of the marker a squashed text may hold, in each spelling."""
    whole = canary.replace("-", "")
    needles = dict.fromkeys((whole, whole[::-1]))  # ordered: what says exactly where comes first
    pairs = [f"{a}-{b}" for a, b in itertools.pairwise(canary.split("-"))]
    for pair in pairs:
        plain = pair.replace("-", "")
        needles |= dict.fromkeys((plain, plain[::-1], codecs.encode(plain, "rot13")))
    for spelled in (pair.replace("-", between) for pair in pairs for between in ("-", "", " ")):
        for cased in (spelled, spelled.upper()):
            needles[cased.encode().hex()] = None
            needles |= dict.fromkeys(_in_base64(cased))
    return tuple(needles)


def _in_base64(value: str) -> list[str]:
    """The characters that base64 has for `value` wherever it stands, squashed: one for each offset in three bytes.

    Of `skipped` bytes before it and none behind, the first and last characters depend on what is there; they are cut.
    """
    forms = []
    for skipped in range(3):
        encoded = base64.b64encode(bytes(skipped) + value.encode()).decode().rstrip("=")
        inner = encoded[(0, 2, 3)[skipped] : len(encoded) - 1]
        forms.append(_NO_LETTER.sub("", inner.casefold()))
    return forms
