"""One question, analysed for comparison with others."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.cache.judge.alignment import Item, items_of
from app.cache.judge.lexicon import load_lexicon
from app.cache.judge.words import Question, Word, read
from app.retrieval.embedder import TokenVectors

Floats = NDArray[np.float32]

MOST_ITEMS = 64  # of a side; the work is quadratic
MOST_TOKENS = 256  # what the embedding model reads

VOCABULARY = 30_522


def _rarity(ids: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """0 common to 1 rare: the vocabulary is sorted by frequency, after 1,996 single characters and the like."""
    rarity: NDArray[np.float64] = np.log(np.maximum(ids - 1996, 1) + 200) / math.log(VOCABULARY)
    return rarity


RAREST = float(_rarity(np.array(VOCABULARY)))

PLACES = tuple(
    "from to into in before after than by for of with on at between under over against per instead through via "
    "without until since as".split()
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One question, analysed: its items, the vector of each, and all the model's token vectors."""

    question: Question
    items: tuple[Item, ...]
    vectors: Floats  # (items, dimensions), rows of unit length
    rarity: Floats  # (items,), 0 common to 1 rare
    tokens: Floats  # (tokens, dimensions), rows of unit length, special ones left out
    ids: NDArray[np.int32]  # (tokens,), in the model's vocabulary
    owners: NDArray[np.int16]  # (tokens,), the item that each belongs to, or -1
    token_numbers: Floats  # (tokens, 2): whether it needs a counterpart, 0 or 1, and its rarity
    pooled: Floats
    trigrams: frozenset[str]
    places: tuple[str, ...]  # (items,), the preposition before each, or ""
    negative_prefixes: int
    is_cut: bool  # there is more of it than was looked at


def see(text: str, found: TokenVectors) -> Seen:
    """Analyse one text with its token vectors."""
    question = read(text)
    all_items = tuple(items_of(question))
    items = all_items[:MOST_ITEMS]
    spans = np.array(found.spans, dtype=np.int32).reshape(-1, 2)
    ids = np.array(found.ids, dtype=np.int32)
    rarities = _rarity(ids)
    owners = np.full(len(ids), -1, dtype=np.int16)
    vectors = np.zeros((len(items), found.vectors.shape[1]), dtype=np.float32)
    rarity = np.ones(len(items), dtype=np.float32)
    starts, ends = spans[:, 0], spans[:, 1]
    for row, item in enumerate(items):
        words = question.words[item.first : item.first + item.words]
        inside = np.flatnonzero((ends > words[0].start) & (starts < words[-1].end) & (ends > starts))
        if inside.size:
            owners[inside] = row
            vectors[row] = found.vectors[inside].mean(axis=0)
            rarity[row] = RAREST if inside.size > item.words else rarities[inside].max()  # a word in pieces is rare
    real = ends > starts
    must = np.array([item.must_match for item in items] + [False])  # the last: of no item
    plain = " ".join(word.text for word in question.words)
    padded = f" {plain} "
    return Seen(
        question,
        items,
        unit(vectors),
        rarity,
        unit(found.vectors[real]),
        ids[real],
        owners[real],
        np.stack([must[owners[real]], rarities[real]], axis=1).astype(np.float32),
        found.pooled,
        frozenset(padded[i : i + 3] for i in range(len(padded) - 2)),
        tuple(_place(question.words, item.first) for item in items),
        _negative_prefixes(question),
        len(all_items) > MOST_ITEMS or len(ids) >= MOST_TOKENS,
    )


def unit(rows: Floats) -> Floats:
    unit_rows: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return unit_rows


def _place(words: tuple[Word, ...], first: int) -> str:
    """The preposition before an item, articles and the like between them."""
    for at in range(first - 1, max(first - 4, -1), -1):
        word = words[at]
        if word.text in PLACES:
            return word.text
        if word.kind != "stop":
            return ""
    return ""


def _negative_prefixes(question: Question) -> int:
    """Words as "unsafe" whose bare form is a word."""
    senses, lemma = load_lexicon().senses, load_lexicon().lemma
    count = 0
    for word in question.words:
        for prefix in ("un", "dis", "non"):
            bare = word.text.removeprefix(prefix).removeprefix("-")
            if bare != word.text and len(bare) > 3 and lemma(bare) in senses:
                count += 1
    return count
