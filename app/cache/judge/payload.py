"""A text that both questions work on, as in "Translate: ..." and "Shorten: ...": what is asked stands around it."""

from difflib import SequenceMatcher

from app.cache.judge.words import Question

LEAST_WORDS = 6  # fewer in a row two questions may have by chance
LONGEST_WORDS = 300  # of a question; the comparison is quadratic at worst


def shared_payload(a: Question, b: Question) -> tuple[frozenset[int], frozenset[int]]:
    """Which words of each belong to a run that stands in the other word for word; both empty where none is."""
    one, other = a.key[:LONGEST_WORDS], b.key[:LONGEST_WORDS]
    if min(len(one), len(other)) < LEAST_WORDS:
        return frozenset(), frozenset()
    blocks = [
        block for block in SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
        if block.size >= LEAST_WORDS
    ]  # fmt: skip
    return (
        frozenset(block.a + at for block in blocks for at in range(block.size)),
        frozenset(block.b + at for block in blocks for at in range(block.size)),
    )
