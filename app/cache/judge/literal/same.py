"""The same question in other clothes: equal once greetings, contractions and the order of phrases are made one.

Wider than the equality of what words.py reads, as nothing here feeds the model; narrower than what people call a
paraphrase, as no word is exchanged for another one but for its abbreviation.
"""

from app.cache.judge.literal.canon import Canon, canon
from app.cache.judge.literal.shorthand import SHORT
from app.cache.judge.literal.typos import is_foreign_typo, is_typo
from app.cache.judge.seen import Seen

SPELLED_OUT = frozenset("stand stands abbreviation acronym short mean means meaning".split())


def same_asked(a: Seen, b: Seen) -> bool:
    """Whether both are the same question but for form, an abbreviation or a single typo. Symmetric."""
    return same_text(a.question.text, b.question.text)


def same_text(a: str, b: str) -> bool:
    """`same_asked`, of two texts."""
    one, other = canon(a), canon(b)
    if not one.words or not other.words:
        return False
    if one.words == other.words:
        return one.is_shortened == other.is_shortened or SPELLED_OUT.isdisjoint(one.words)
    if len(one.words) != len(other.words):
        return False
    pairs = [pair for pair in zip(one.words, other.words, strict=True) if pair[0] != pair[1]]
    if not SPELLED_OUT.isdisjoint(one.words + other.words):
        return len(pairs) == 1 and _is_slip(one, other, *pairs[0])
    loose = [pair for pair in pairs if SHORT.get(pair[0]) != pair[1] and SHORT.get(pair[1]) != pair[0]]
    return not loose or (len(loose) == 1 and _is_slip(one, other, *loose[0]))


def _is_slip(one: Canon, other: Canon, first: str, second: str) -> bool:
    if first in one.names or second in other.names or len(one.words) < 3:
        return False
    if one.is_foreign or other.is_foreign:
        return is_foreign_typo(first, second)
    return is_typo(first, second)
