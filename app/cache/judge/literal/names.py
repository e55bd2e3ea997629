"""Names that a plural s or a number tells apart: Alien and Aliens, Rocky and Rocky II."""

import re
from dataclasses import dataclass
from functools import lru_cache

from app.cache.judge.literal.formed import AUXILIARIES, Difference
from app.cache.judge.literal.reasons import Reason
from app.cache.judge.vocabulary import MONTHS, WEEKDAYS
from app.cache.judge.words import LONGEST_CHARACTERS, PLAIN

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?|[.:;!?…\n]")
ROMANS = {"II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6, "VII": 7, "VIII": 8, "IX": 9, "X": 10}
NUMERALS = ROMANS | {str(value): value for value in range(2, 21)}
# One of them, or several: the word is a kind of thing.
ONE_OF = frozenset("a an my your our his her their each every per this that one any no another".split())
TITLE = 0.6  # share of capitals in a title


@dataclass(frozen=True, slots=True)
class Names:
    """Capitalised words inside of sentences, in lower case, and the numeral behind each that has one."""

    proper: frozenset[str]
    possessive: frozenset[str]
    numbered: frozenset[tuple[str, int]]
    words: frozenset[str]
    length: int  # in words


def names_differ(a: str, b: str, found: Difference) -> Reason:
    """ "entity" when a name is another by its s or its number, or ""."""
    one, other = read_names(a), read_names(b)
    for first, second in ((one, other), (other, one)):
        for name, value in first.numbered:
            has_other = any(other_name == name and number != value for other_name, number in second.numbered)
            is_bare = name in second.words and not second.numbered and not any(map(str.isdigit, second.words))
            is_longer = first.length == second.length + 1  # but for "Iceland 2 see"
            is_alike = is_longer and not found.changed and len(found.one) + len(found.other) == 1
            if (has_other and (name, value) not in second.numbered) or (is_bare and is_alike):
                return "entity"
    pair = found.changed[0] if len(found.changed) == 1 and found.one | found.other <= AUXILIARIES else ("", "")
    name, plural = sorted(pair, key=len)
    if not name or plural != f"{name}s" or {name, plural} & (one.possessive | other.possessive):
        return ""
    is_proper = pair[0] in one.proper and pair[1] in other.proper
    return "entity" if is_proper else ""


@lru_cache(maxsize=4096)
def read_names(text: str) -> Names:
    """The names in a text, of which 4,000 characters are looked at; in a title none can be told."""
    tokens = WORD.findall(text[:LONGEST_CHARACTERS].translate(PLAIN))
    words = [token for token in tokens if token[0].isalnum()]
    is_title = sum(word[0].isupper() for word in words) > TITLE * len(words)
    proper: set[str] = set()
    possessive: set[str] = set()
    numbered: set[tuple[str, int]] = set()
    for at, token in enumerate(tokens):
        if not token[0].isupper():
            continue
        before, after = (tokens[i] if 0 <= i < len(tokens) else "" for i in (at - 1, at + 1))
        name, _, tail = token.casefold().partition("'")
        if after in NUMERALS and (token.istitle() or token.isupper()) and token not in NUMERALS:
            numbered.add((name, NUMERALS[after]))
        if tail:
            possessive |= {name, f"{name}{tail}"}
        elif not (is_title or not before[:1].isalnum() or before.casefold() in ONE_OF or _is_kind(token, name)):
            proper.add(name)
    lower = frozenset(word.casefold() for word in words)
    return Names(frozenset(proper), frozenset(possessive), frozenset(numbered), lower, len(words))


def _is_kind(token: str, name: str) -> bool:
    """PDFs, iPhones, Mondays."""
    return not token[1:].islower() or name in MONTHS or name in WEEKDAYS
