"""Features of the surface: how many words, characters and tokens two questions share."""

import re
from collections import Counter

import numpy as np

from app.cache.judge.seen import Seen

EITHER_WAY, ARTICLES = frozenset(("and", "or", "versus")), frozenset(("a", "an", "the"))
SYMBOL = re.compile(r"[\\^$(){}\[\]|*+=<>/@#~&_]")


def surface(a: Seen, b: Seen) -> dict[str, float]:
    bags = [set(side.question.key) for side in (a, b)]
    lengths = sorted(len(side.question.words) for side in (a, b))
    every = a.tokens @ b.tokens.T if len(a.tokens) and len(b.tokens) else np.zeros((1, 1), dtype=np.float32)
    rows, columns = every.max(axis=1), every.max(axis=0)
    lowest = sorted((float(rows.min()), float(columns.min())))
    fifth = sorted(
        (
            float(np.sort(rows)[: max(1, len(rows) // 5)].mean()),
            float(np.sort(columns)[: max(1, len(columns) // 5)].mean()),
        )
    )
    means = sorted((float(rows.mean()), float(columns.mean())))
    bag_left = sorted(_bag_left(one, other) for one, other in ((a, b), (b, a)))
    symbols = [Counter(SYMBOL.findall(side.question.text)) for side in (a, b)]
    symbols_off = sum((symbols[0] - symbols[1]).values()) + sum((symbols[1] - symbols[0]).values())
    digits = [re.findall(r"\d+", side.question.text) for side in (a, b)]
    return {
        "same_key": float(_in_any_order(a.question.key) == _in_any_order(b.question.key) and symbols_off == 0),
        "exchanged": float(_are_exchanged(a.question.key, b.question.key)),
        "same_bag": float(bags[0] == bags[1]),
        "word_overlap": len(bags[0] & bags[1]) / max(len(bags[0] | bags[1]), 1),
        "trigram_overlap": len(a.trigrams & b.trigrams) / max(len(a.trigrams | b.trigrams), 1),
        "common_run": _common(a.question.key, b.question.key) / max(lengths[1], 1),
        "length.low": float(lengths[0]),
        "length.high": float(lengths[1]),
        "length_ratio": lengths[0] / max(lengths[1], 1),
        "token_min.low": lowest[0],
        "token_min.high": lowest[1],
        "token_fifth.low": fifth[0],
        "token_fifth.high": fifth[1],
        "token_mean.low": means[0],
        "token_mean.high": means[1],
        "bag_left.low": float(bag_left[0]),
        "bag_left.high": float(bag_left[1]),
        "bag_left_sum": float(sum(bag_left)),
        "symbols_off": float(symbols_off),
        "symbols": float(min(sum(counts.values()) for counts in symbols)),
        "digits_differ": float(sorted(digits[0]) != sorted(digits[1])),
    }


def _in_any_order(key: tuple[str, ...]) -> list[str]:
    """The words with those around an "and" sorted: what A and B have in common, B and A have."""
    words = list(key)
    for at in range(1, len(words) - 1):
        after = at + 1 + (words[at + 1] in ARTICLES)
        if words[at] in EITHER_WAY and after < len(words):
            words[at - 1], words[after] = sorted((words[at - 1], words[after]))
    return words


def _are_exchanged(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two words alone have changed places, over others: "can only pay" is "can pay only"."""
    if len(one) != len(other):
        return False
    off = [at for at, (left, right) in enumerate(zip(one, other, strict=True)) if left != right]
    if len(off) != 2 or off[1] - off[0] == 1:
        return False
    first, second = off
    return one[first] == other[second] and one[second] == other[first]


def _bag_left(side: Seen, other: Seen) -> int:
    """Words with a meaning that stand here more often than there."""
    more = Counter(w.lemma for w in side.question.words if w.has_meaning)
    more.subtract(Counter(w.lemma for w in other.question.words))
    return sum(count for count in more.values() if count > 0)


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """Longest common subsequence, of at most 120 words each."""
    one, other = one[:120], other[:120]
    row = [0] * (len(other) + 1)
    for left in one:
        diagonal = 0
        for j, right in enumerate(other, 1):
            diagonal, row[j] = row[j], diagonal + 1 if left == right else max(row[j], row[j - 1])
    return row[-1]
