"""Hashed character and word n-grams of a text, in NumPy: no loop over n-grams.

The hashing trick of Weinberger et al. (2009), without signs. Hashes are polynomial, modulo 2^32, over UTF-8 bytes.
"""

import re

import numpy as np
from numpy.typing import NDArray

BUCKETS_BITS = 20
BUCKETS = 1 << BUCKETS_BITS
CHARACTERS = (3, 4, 5)  # lengths of character n-grams, in bytes
_BASE = np.uint32(0x01000193)  # the prime of FNV-1
_MIX = np.uint32(0x9E3779B1)  # Knuth's multiplicative hashing
MOST_BYTES = 4_096  # of one text; a window is shorter

_SPACE = re.compile(r"[\s_]+")
_POWERS = np.cumprod(np.full(64, _BASE, dtype=np.uint32), dtype=np.uint32)

Ids = NDArray[np.int32]


def ngrams(text: str) -> Ids:
    """The buckets of a text's n-grams, each once, sorted: int32, shape (n,)."""
    plain = _SPACE.sub(" ", text.lower()).strip()
    if not plain:
        return np.zeros(0, dtype=np.int32)
    data = np.frombuffer(f" {plain} ".encode(errors="replace")[:MOST_BYTES], dtype=np.uint8).astype(np.uint32)
    found = np.concatenate([*_character_ngrams(data), *_word_ngrams(data)])
    found.sort()
    is_new = np.ones(len(found), dtype=np.bool_)
    np.not_equal(found[1:], found[:-1], out=is_new[1:])
    ids: Ids = found[is_new].astype(np.int32)
    return ids


def _bucket(hashes: NDArray[np.uint32], kind: int) -> NDArray[np.uint32]:
    mixed = (hashes ^ np.uint32(kind * 0x85EBCA6B & 0xFFFFFFFF)) * _MIX
    return (mixed ^ (mixed >> np.uint32(15))) * np.uint32(0x2C1B3C6D) >> np.uint32(32 - BUCKETS_BITS)


def _character_ngrams(data: NDArray[np.uint32]) -> list[NDArray[np.uint32]]:
    found = []
    rolling = data + np.uint32(1)
    for length in range(2, max(CHARACTERS) + 1):
        if len(data) < length:
            break
        rolling = rolling[:-1] * _BASE + data[length - 1 :] + np.uint32(1)
        if length in CHARACTERS:
            found.append(_bucket(rolling, length))
    return found


def _word_ngrams(data: NDArray[np.uint32]) -> list[NDArray[np.uint32]]:
    """Words, pairs, pairs with one word between, and triples. Letters and digits make words, each other byte of ASCII
    is a word; each character of three bytes and more (Chinese, Japanese) is one too."""
    letter = (
        ((data >= 97) & (data <= 122)) | ((data >= 48) & (data <= 57)) | ((data >= 128) & (data < 224)) | (data == 39)
    )
    space = data == 32
    begins = ~space & ~((data >= 128) & (data < 192))
    begins[1:] &= ~(letter[1:] & letter[:-1])
    starts = np.flatnonzero(begins)
    if not len(starts):
        return []
    within = np.arange(len(data)) - np.repeat(np.append(0, starts), np.diff(np.concatenate(([0], starts, [len(data)]))))
    terms = np.where(space, np.uint32(0), (data + np.uint32(1)) * _POWERS[np.minimum(within, 63)])
    words = np.add.reduceat(terms, starts).astype(np.uint32)
    found = [_bucket(words, 11)]
    if len(words) > 1:
        found.append(_bucket(words[:-1] * _BASE + words[1:], 12))
    if len(words) > 2:
        found.append(_bucket(words[:-2] * _BASE + words[2:], 13))
        found.append(_bucket((words[:-2] * _BASE + words[1:-1]) * _BASE + words[2:], 14))
    return found
