"""A single typo: a word that is none, one slip away from the word that stands in its place in the other question."""

from app.cache.judge.lexicon import load_lexicon
from app.cache.judge.vocabulary import (
    ABBREVIATIONS,
    MONTHS,
    NEGATORS,
    NUMBERS,
    ORDINALS,
    STOP_WORDS,
    UNITS,
    WEEKDAYS,
)

SHORTEST, SUBSTITUTED, LONG, SHORTEST_FOREIGN, LONG_FOREIGN = 5, 7, 8, 6, 9
COUNTED = NUMBERS.keys() | ORDINALS.keys() | MONTHS.keys() | WEEKDAYS.keys() | UNITS.keys()
NEGATIVE = ("un", "in", "im", "il", "ir", "dis", "non", "mis", "de", "anti")
ENDINGS = ("s", "es", "ed", "d", "ing", "er", "est", "ly", "r", "n", "y", "al", "ic")
VOWELS = frozenset("aeiouy")
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop")
BESIDE = frozenset(row[at : at + 2] for row in ROWS for at in range(len(row) - 1))


def is_typo(first: str, second: str) -> bool:
    """English: one of the two is no word, the other is, and a slip or two (from 8 letters on) lead to it."""
    if not _are_letters(first, second) or max(len(first), len(second)) < SHORTEST:
        return False
    return _is_typo_of(first, second) or _is_typo_of(second, first)


def _is_typo_of(typo: str, word: str) -> bool:
    if typo[0] != word[0] or abs(len(typo) - len(word)) > 2 or not _is_word(word):
        return False
    if word in COUNTED or (word in NEGATORS and word != "without"):
        return False
    if typo in ABBREVIATIONS or typo in COUNTED or typo in NEGATORS:
        return False
    if any(typo.startswith(prefix) != word.startswith(prefix) for prefix in NEGATIVE):
        return False
    if _is_doubling(typo, word):  # "talest" passes for a form of "tale", and "cary" is a name
        return not _is_word(typo)
    if load_lexicon().knows(typo) or _differ_by_ending(typo, word):
        return False
    if len(typo) == len(word) < SUBSTITUTED and _is_exchange(typo, word):  # restic, rustic
        return False
    return slips(typo, word) <= (2 if min(len(typo), len(word)) >= LONG else 1)


def _is_exchange(first: str, second: str) -> bool:
    """One letter for another that does not lie beside it."""
    pairs = [pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]]
    return len(pairs) == 1 and "".join(pairs[0]) not in BESIDE and "".join(pairs[0][::-1]) not in BESIDE


def _is_word(word: str) -> bool:
    lexicon = load_lexicon()
    if word in STOP_WORDS or word in NEGATORS or word in lexicon.senses:
        return True
    lemma = lexicon.lemma(word)
    is_degree = word.endswith(("est", "er"))
    return lemma in lexicon.senses and (not is_degree or len(word) - len(lemma) > 2 or lemma[-2:] == lemma[-1] * 2)


def is_foreign_typo(first: str, second: str) -> bool:
    """Other languages, whose words are not known here: a slip of the kind that hardly leads to another word.

    A doubled letter, two exchanged ones, a neighbour on the keyboard; one that is missing in a long word. Never in
    the first two letters or in the last, where endings are.
    """
    shorter, longer = sorted((first, second), key=len)
    if not _are_letters(first, second) or len(shorter) < SHORTEST_FOREIGN - 1 or len(longer) < SHORTEST_FOREIGN:
        return False
    if shorter[:2] != longer[:2] or shorter[-1] != longer[-1]:
        return False
    if _is_doubling(shorter, longer):
        return longer.count("ss") == shorter.count("ss")  # poison, poisson
    if len(shorter) < len(longer):
        return slips(shorter, longer) == 1 and len(longer) >= LONG_FOREIGN
    places = [at for at, (one, other) in enumerate(zip(first, second, strict=True)) if one != other]
    if len(places) == 2:
        return slips(first, second) == 1
    if len(places) != 1 or _is_exchange(first, second):
        return False
    return not {first[places[0]], second[places[0]]} <= VOWELS


def _are_letters(first: str, second: str) -> bool:
    return first != second and first.isalpha() and second.isalpha() and max(len(first), len(second)) <= 30


def _is_doubling(first: str, second: str) -> bool:
    """One has a letter twice where the other has it once."""
    shorter, longer = sorted((first, second), key=len)
    if len(longer) - len(shorter) != 1:
        return False
    return any(
        longer[at] == longer[at - 1] and longer[:at] + longer[at + 1 :] == shorter for at in range(1, len(longer))
    )


def _differ_by_ending(first: str, second: str) -> bool:
    shorter, longer = sorted((first, second), key=len)
    places = enumerate(zip(shorter, longer, strict=False))
    stem = next((at for at, pair in places if pair[0] != pair[1]), len(shorter))
    starts = range(max(stem - 1, 3), stem + 1)
    return any(shorter[at:] in ("", "e", *ENDINGS) and longer[at:] in ENDINGS for at in starts)


def slips(first: str, second: str) -> int:
    """Letters to insert, leave out or replace; two neighbours exchanged are one slip (restricted Damerau distance)."""
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, letter in enumerate(first, start=1):
        earlier, before, row = before, row, [i, *([0] * len(second))]
        for j, other in enumerate(second, start=1):
            row[j] = min(row[j - 1] + 1, before[j] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == second[j - 2] and other == first[i - 2]:
                row[j] = min(row[j], earlier[j - 2] + 1)
    return row[-1]
