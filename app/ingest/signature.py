"""What tells whether two documents say the same: a digest for "exactly", a MinHash signature for "nearly".

MinHash estimates the Jaccard similarity of two sets, here of runs of words: the share of the minima under random hash
functions that agree. A. Broder, "On the resemblance and containment of documents" (1997).
"""

import hashlib
import re
import unicodedata
import zlib
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.ingest.document import ParsedDocument
from app.ingest.records import ParsedRecord

MINIMA = 128  # the estimate's standard deviation at a similarity of 0.9 is 0.027
SHINGLE_WORDS = 5
# With fewer words one changed word is a large part of what is said; such documents are only compared exactly.
LEAST_WORDS = 40

_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\w*\d\w*")
_NAME = re.compile(r"(?<=[\w,;:] )[^\W\d_a-z]\w+")  # a capital letter inside of a sentence
_NEGATIONS = frozenset(
    "no not never none nor without except unless cannot nicht kein keine nie ohne pas jamais".split()
)

_SHINGLES_AT_A_TIME = 2048  # 128 minima of so many fit the processor's second-level cache
_RANDOM = np.random.default_rng(20_261_130)
_FACTORS = _RANDOM.integers(1, 2**63, MINIMA, dtype=np.uint64) | np.uint64(1)
_OFFSETS = _RANDOM.integers(0, 2**63, MINIMA, dtype=np.uint64)
_PLACES = _RANDOM.integers(1, 2**63, SHINGLE_WORDS, dtype=np.uint64) | np.uint64(1)


@dataclass(frozen=True, slots=True)
class Signature:
    """Of one document. Its size does not depend on the document's."""

    exact: bytes  # digest of its words, marks and headings, and a record's title; case and blanks do not matter
    facts: bytes  # digest of the numbers and names in it, how often it negates, and a record's title
    minima: bytes  # MINIMA little-endian uint32; empty for a text of fewer than LEAST_WORDS


def sign(document: ParsedDocument) -> Signature:
    """The signature. A document's file name and metadata do not matter: copies differ in them."""
    title = _own_title(document)
    plain = unicodedata.normalize("NFKC", f"{title}\n{_with_headings(document)}")
    folded = plain.casefold()
    words = _WORD.findall(folded)
    facts = (
        sorted(set(_NUMBER.findall(folded))),
        sorted(set(_NAME.findall(plain))),
        sorted(Counter(word for word in words if word in _NEGATIONS).items()),
        unicodedata.normalize("NFKC", title).casefold(),
    )
    minima = _minima(words).astype("<u4").tobytes() if len(words) >= LEAST_WORDS else b""
    return Signature(_digest(" ".join(folded.split())), _digest(repr(facts)), minima)


def _own_title(document: ParsedDocument) -> str:
    """A record's, which may be all that says what its text is about. Titles of other documents may be made from the
    names of their files, in which copies differ."""
    return document.title if isinstance(document, ParsedRecord) else ""


def _with_headings(document: ParsedDocument) -> str:
    """The text with each heading path where it begins: two documents may differ in nothing else."""
    parts: list[str] = []
    section = -1
    for block in document.blocks:
        if block.section != section:
            section = block.section
            parts.append(block.heading)
        parts.append(block.text)
    return "\n".join(parts)


def _minima(words: list[str]) -> NDArray[np.uint32]:
    """uint32, shape (MINIMA,)."""
    codes = np.fromiter((zlib.crc32(word.encode()) for word in words), np.uint64, len(words))
    runs = np.lib.stride_tricks.sliding_window_view(codes, SHINGLE_WORDS)
    shingles = np.unique(_mix((runs * _PLACES).sum(axis=1, dtype=np.uint64)))
    minima = np.full(MINIMA, np.iinfo(np.uint32).max, np.uint32)
    for begin in range(0, len(shingles), _SHINGLES_AT_A_TIME):
        some = shingles[begin : begin + _SHINGLES_AT_A_TIME]
        # Multiply-shift hashing, the upper half of the product: M. Dietzfelbinger et al. (1997).
        hashed = ((some[None, :] * _FACTORS[:, None] + _OFFSETS[:, None]) >> np.uint64(32)).astype(np.uint32)
        np.minimum(minima, hashed.min(axis=1), out=minima)
    return minima


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of SplitMix64: each bit depends on all others."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = values ^ (values >> np.uint64(31))
    return mixed


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()
