"""Text to sparse vectors for BM25: which terms a text has, and what each weighs.

Both stores get their sparse vectors from here, so they find the same. A change of anything that changes an index or a
weight makes what is stored unfindable: then `FORMAT` in `app.retrieval.points` must change too.

Weights are BM25's (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009) but for the inverse document
frequency, which the engine multiplies in at search time: ln((N - n + 0.5) / (n + 0.5) + 1).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache, lru_cache
from hashlib import blake2b
from typing import Any

from app.retrieval.types import Chunk, Terms

K1 = 1.2
B = 0.75
# Words of a chunk that are no stop words. A sparse vector cannot know the collection's own mean, which changes with
# every document, so it is fixed: 850 characters of software documentation, which is about 200 tokens, with title and
# headings have 96 on the mean. How far it is off hardly matters: it scales all lengths alike.
AVERAGE_LENGTH = 100.0

MAX_TERM = 64  # characters: what is longer is a key, a hash or a picture, and is cut
MAX_QUERY_TERMS = 256

STOP_WORDS = frozenset(
    """
    a about above after again against all also am an and any are as at be because been before being below between both
    but by can could did do does doing down during each few for from further had has have having he her here hers
    herself him himself his how i if in into is it its itself just me more most my myself no nor not now of off on once
    only or other our ours ourselves out over own same she should so some such than that the their theirs them
    themselves then there these they this those through to too under until up very was we were what when where which
    while who whom why will with would you your yours yourself yourselves don doesn didn isn aren wasn weren hasn
    haven hadn won wouldn shouldn couldn mustn e.g i.e etc
    """.split()
)

# Scripts that put no spaces between words (Thai, Lao, Burmese, Khmer, Japanese, Chinese) and Korean, whose words carry
# their particles: pairs of neighbouring characters stand for words there.
_PAIRED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
)
# Letters, digits, _, and the vowel signs of Hebrew, Arabic and Indic writing, which `\w` leaves out.
_WORD = r"[\w\u0300-\u036f\u0591-\u05bd\u064b-\u065f\u0900-\u0963\u0981-\u09cd\u0a01-\u0acd\u0b01-\u0dff]"
_TOKEN = re.compile(
    rf"(?<![\w-])--{_WORD}+(?:-{_WORD}+)*"  # --flag, --long-flag
    # a word, a.b, a_b, a-b, a/b, a@b, a::b, C++, C#
    rf"|{_WORD}+(?:(?:::|->|[._\-/@+'])(?={_WORD}){_WORD}+)*(?:\+\+|\#)?"
)
_CONNECTOR = re.compile(r"::|->|[._\-/@+'#]+")
_CAMEL = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[^A-Z]+|[A-Z]+")
_CONTRACTION = re.compile(r"'(?:s|t|ll|re|ve|d|m)$", re.IGNORECASE)
_PLURAL = re.compile(r"[A-Z]{2,}s")  # GPUs
_PAIRED_RUN = re.compile(f"([{_PAIRED}]+)")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_CYRILLIC = re.compile("[\u0430-\u044f\u0451]+")
_LONGEST_TOKEN = 256


def document_terms(chunk: Chunk) -> Terms:
    """The sparse vector under which a chunk is stored: of its title, headings and text."""
    counts: Counter[int] = Counter()
    length = 0
    for token in _tokens(f"{chunk.title}\n{chunk.heading}\n{chunk.text}"):
        indices, words = _indexed(token)
        counts.update(indices)
        length += words
    norm = K1 * (1 - B + B * length / AVERAGE_LENGTH)
    return _sorted({index: tf * (K1 + 1) / (tf + norm) for index, tf in counts.items()})


def query_terms(text: str) -> Terms:
    """The sparse vector of a question: each of its terms once, all alike. Without terms where it has only stop words.

    At most `MAX_QUERY_TERMS`, the first ones.
    """
    found: dict[int, float] = {}
    for token in _tokens(text):
        found.update(dict.fromkeys(_indexed(token)[0], 1.0))
        if len(found) >= MAX_QUERY_TERMS:
            found = dict(list(found.items())[:MAX_QUERY_TERMS])
            break
    return _sorted(found)


def terms_of(text: str) -> Iterator[str]:
    """The terms themselves, in order, stop words left out.

    An identifier gives itself whole and its parts: `max_model_len`, `max-model-len` and `maxModelLen` all give
    maxmodellen, max, model, len; `os.path` gives os.path, os, path. Words are stemmed (English, Russian), identifiers
    are not.
    """
    for token in _tokens(text):
        wholes, words = _terms(token)
        yield from wholes
        yield from words


def _tokens(text: str) -> Iterator[str]:
    if text.isascii():
        yield from (token[:_LONGEST_TOKEN] for token in _TOKEN.findall(_THOUSANDS.sub("", text)))
        return
    text = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    for at, run in enumerate(_PAIRED_RUN.split(_THOUSANDS.sub("", text))):
        if at % 2 == 0:
            yield from (token[:_LONGEST_TOKEN] for token in _TOKEN.findall(run))
        else:
            yield from (run[at : at + 2] for at in range(max(1, len(run) - 1)))


@lru_cache(maxsize=1 << 16)
def _indexed(token: str) -> tuple[tuple[int, ...], int]:
    """Indices of a token's terms, and how many words it counts for."""
    wholes, words = _terms(token)
    return tuple(_index(term) for term in (*wholes, *words)), len(words)


def _index(term: str) -> int:
    """A place among 2**32: of a million terms, about 100 share theirs with another."""
    return int.from_bytes(blake2b(term.encode(errors="replace"), digest_size=4).digest(), "big")


def _terms(token: str) -> tuple[list[str], list[str]]:
    """A token as a whole, where it is more than a word, and the words in it."""
    token = _CONTRACTION.sub("", token)
    if _PLURAL.fullmatch(token):
        token = token[:-1]
    if token.casefold() in STOP_WORDS:
        return [], []
    parts = [part for part in _CONNECTOR.split(token) if part]
    pieces = [piece for part in parts for piece in (_CAMEL.findall(part) if part.isascii() else [part])]
    words = [word for piece in pieces if (word := _word(piece))]
    if "'" in token or (len(pieces) <= 1 and token.isalnum()):
        return [], words
    return [whole for whole in _wholes(token, parts) if len(whole) <= MAX_TERM and whole not in words], words


def _wholes(token: str, parts: list[str]) -> list[str]:
    joined = "".join(parts).casefold()
    if token.startswith("--"):
        return [f"--{joined}", joined]
    has_other = any(connector.strip("-_") for connector in _CONNECTOR.findall(token))
    return [token.casefold().strip("_") if has_other else joined]


def _word(piece: str) -> str:
    """As it is indexed; empty for a stop word."""
    word = piece.casefold()[:MAX_TERM]
    if word in STOP_WORDS:
        return ""
    if _CYRILLIC.fullmatch(word):
        return str(_stemmer("russian").stem_word(word.replace("\u0451", "\u0435")))
    if not word.isascii():
        plain = "".join(letter for letter in unicodedata.normalize("NFKD", word) if not unicodedata.combining(letter))
        if not plain.isascii():
            return word  # outside Latin writing a mark is part of the letter
        word = plain
    return str(_stemmer("english").stem_word(word)) if word.isalpha() else word


@cache
def _stemmer(language: str) -> Any:
    from py_rust_stemmers import SnowballStemmer  # type: ignore[import-untyped]  # it has no stubs

    return SnowballStemmer(language)


def _sorted(weights: dict[int, float]) -> Terms:
    indices = sorted(weights)
    return Terms(tuple(indices), tuple(weights[index] for index in indices))
