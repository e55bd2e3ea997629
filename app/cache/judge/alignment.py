"""Which item of one question says what an item of the other says, and how near what is left over comes."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.cache.judge.concepts import load_concepts
from app.cache.judge.lexicon import load_lexicon
from app.cache.judge.words import Question, Word

Floats = NDArray[np.float32]
EXACT, CONCEPT, TYPO, COMPOUND, SYNONYM, DERIVED = 1.0, 0.95, 0.9, 0.88, 0.85, 0.8
SURE = 0.97  # of `relation`: word for word from here on
HARD_KINDS = ("number", "ordinal", "unit", "month", "weekday", "code", "negation")
QUESTION_WORDS = frozenset("how why when where who whom whose".split())


@dataclass(frozen=True, slots=True)
class Item:
    """A word or a phrase that means one thing."""

    text: str
    lemma: str
    kind: str
    first: int  # word
    words: int
    concepts: frozenset[str] = field(default=frozenset())
    must_match: bool = True
    is_capital: bool = False


def items_of(question: Question) -> list[Item]:
    """The items, in order. Question words alone are items that need no counterpart."""
    words = question.words
    items: list[Item] = []
    at = 0
    for first, length, concepts in [*load_concepts().find(words), (len(words), 0, frozenset[str]())]:
        while at < first:
            items += _single(words[at], at, frozenset())
            at += 1
        if length == 1:
            items += _single(words[at], at, concepts)
        elif length:
            group = words[first : first + length]
            kind = next((word.kind for word in group if word.kind in ("content", "name")), "content")
            text = " ".join(word.text for word in group)
            lemma = " ".join(word.lemma for word in group)
            must = any(word.has_meaning for word in group) or bool(concepts)
            items.append(Item(text, lemma, kind, first, length, concepts, must))
        at += length
    return items


def _single(word: Word, at: int, concepts: frozenset[str]) -> list[Item]:
    if word.kind == "stop" and word.text not in QUESTION_WORDS:
        return []
    must = word.has_meaning and word.lemma != "1"  # "one" is as often a pronoun or an article
    return [Item(word.text, word.lemma, word.kind, at, 1, concepts, must, word.is_capital)]


def relation(first: Item, second: Item) -> float:
    """How surely both say the same by the words alone, 0 to 1."""
    if first.lemma == second.lemma:
        return EXACT
    if first.kind in HARD_KINDS or second.kind in HARD_KINDS:
        if first.concepts & second.concepts:
            return CONCEPT
        misspelt = {first.kind, second.kind} & {"unit", "month", "weekday"} and first.kind != second.kind
        return TYPO if misspelt and _is_typo(first, second) else 0.0
    if first.concepts & second.concepts:
        return CONCEPT
    lexicon = load_lexicon()
    if lexicon.are_opposites(first.lemma, second.lemma):
        return 0.0
    may_be_typo = first.text[:1] == second.text[:1] or first.words != second.words
    if may_be_typo and _is_typo(first, second):
        return TYPO
    if lexicon.are_synonyms(first.lemma, second.lemma):
        return SYNONYM
    if lexicon.are_derived(first.lemma, second.lemma) or _same_stem(first.lemma, second.lemma):
        return DERIVED
    return 0.0


def is_left(items: tuple[Item, ...], lexical: Floats) -> NDArray[np.bool_]:
    """Which items of a side must have a counterpart, and have none by the words."""
    must = np.array([item.must_match for item in items], dtype=bool)
    best = lexical.max(axis=1) if lexical.shape[1] else np.zeros(len(items))
    left: NDArray[np.bool_] = must & (best == 0)
    return left


def relations(a: Question, b: Question, left: tuple[Item, ...], right: tuple[Item, ...]) -> Floats:
    """`relation` of each item of one side with each of the other, shape (left, right)."""
    found = np.zeros((len(left), len(right)), dtype=np.float32)
    for i, one in enumerate(left):
        for j, other in enumerate(right):
            found[i, j] = relation(one, other)
    _match_compounds(found, left, right, b)
    _match_compounds(found.T, right, left, a)
    return found


def _match_compounds(found: Floats, left: tuple[Item, ...], right: tuple[Item, ...], other: Question) -> None:
    """Set what is one word here and two there: copay and co-pay, 401k and 401(k)."""
    texts = [word.text for word in other.words]
    joined = {texts[k] + texts[k + 1]: (k, 2) for k in range(len(texts) - 1)}
    initials = "".join(text[:1] for text in texts)
    for i, item in enumerate(left):
        if found[i].max(initial=0) >= TYPO or item.kind in ("number", "unit"):
            continue
        place, surely = joined.get(item.text.replace("-", "")), EXACT
        if place is None and item.kind in ("name", "content") and 2 <= len(item.text) <= 5 and item.text.isalpha():
            at = initials.find(item.text)
            place, surely = ((at, len(item.text)) if at >= 0 else None), CONCEPT  # an acronym: AU, Astronomical Unit
        if place is not None:
            for j, partner in enumerate(right):
                if partner.first < place[0] + place[1] and place[0] < partner.first + partner.words:
                    found[i, j] = surely


def _same_stem(first: str, second: str) -> bool:
    """Long common beginning: administer, administrator."""
    if first[:5] != second[:5]:  # nearly all pairs
        return False
    shorter, longer = sorted((first, second), key=len)
    common = 0
    for one, other in zip(shorter, longer, strict=False):
        if one != other:
            break
        common += 1
    return common >= 5 and common >= len(shorter) - 2 and len(longer) - common <= 5


def _is_typo(first: Item, second: Item) -> bool:
    """One edit (two in long words) apart, and at least one of them is no known word."""
    if first.words != second.words:
        pairs = (
            (one, other) for one in first.text.split() for other in second.text.split() if min(len(one), len(other)) > 4
        )
        return any(_misspelt(one, other) for one, other in pairs)
    if first.is_capital and second.is_capital and min(len(first.text), len(second.text)) < 8:
        return sorted(first.text) == sorted(second.text) and _misspelt(first.text, second.text)
    return _misspelt(first.text, second.text)


OPPOSITE_PREFIXES = (
    ("hyper", "hypo"), ("inter", "intra"), ("over", "under"), ("pre", "post"), ("up", "down"), ("im", "ex"),
    ("in", "ex"), ("en", "dis"), ("out", "in"), ("macro", "micro"), ("maxi", "mini"), ("para", "ortho"),
    ("pro", "anti"),
)  # fmt: skip


def _have_opposite_prefixes(one: str, other: str) -> bool:
    """Hyperkalaemia and hypokalaemia, import and export."""
    if one[-3:] != other[-3:] or one == other:  # nearly all pairs
        return False
    return any(
        {one[: len(a)], other[: len(b)]} == {a, b} and one[len(a) :] == other[len(b) :]
        for first, second in OPPOSITE_PREFIXES
        for a, b in ((first, second), (second, first))
    )


def are_opposites(first: Item, second: Item) -> bool:
    """By the lexicon, the list of opposites, or their prefixes."""
    if first.lemma == second.lemma:
        return False
    if load_lexicon().are_opposites(first.lemma, second.lemma):
        return True
    one, other = first.concepts, second.concepts
    if one and other and load_concepts().are_opposites(one, other) and not one & other:
        return True
    return _have_opposite_prefixes(first.lemma, second.lemma)


def _misspelt(one: str, other: str) -> bool:
    # Longer ones are no words, and comparing them would take its time.
    if abs(len(one) - len(other)) > 2 or not 4 <= min(len(one), len(other)) <= 32 or one[0] != other[0]:
        return False
    if _have_opposite_prefixes(one, other):
        return False
    lexicon = load_lexicon()
    known = [lexicon.knows(word) for word in (one, other)]
    if all(known) or not (one.isascii() and other.isascii()):
        return False
    if not any(known):  # two names, two drugs: only letters that changed places
        return sorted(one) == sorted(other) and edits(one, other, 1) == 1
    return edits(one, other, 2) <= (1 if min(len(one), len(other)) < 7 else 2)


def edits(one: str, other: str, most: int) -> int:
    """Damerau-Levenshtein distance (adjacent swaps count one), or `most` + 1."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        row = [i]
        for j, right in enumerate(other, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (left != right))
            if i > 1 and j > 1 and left == other[j - 2] and one[i - 2] == right:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        if min(row) > most:
            return most + 1
        before, last = last, row
    return last[-1]
