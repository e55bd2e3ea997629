"""A question as it was written: the forms of its words, before lemmas and stop words hide what tells two apart."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from app.cache.judge.lexicon import IRREGULAR, load_lexicon
from app.cache.judge.vocabulary import ABBREVIATIONS, CONTRACTIONS, FILLERS, SPELLINGS
from app.cache.judge.words import LONGEST_CHARACTERS, PLAIN

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?|[\"“”«»]|[.,;:!?…(]+")
ARTICLES = frozenset(("a", "an", "the"))
# What stands behind one of these is spoken of, not said: "how do I say hello", "who sang Hello".
MENTIONING = frozenset(
    """say says saying said mean means meaning translate translated sang sing sings sung song called spell spelled
    pronounce pronounced word phrase for reply respond answer write type""".split()
)
SOCIAL = frozenset(
    """please hi hello hey there thanks thank you many cheers kindly dear good morning evening afternoon night sorry
    excuse me well ok okay welcome goodbye bye congratulations lol btw um uh""".split()
)
# Heard at the beginning of a question or at its end, these are politeness.
POLITE = FILLERS | {("good", "afternoon"), ("any", "idea"), ("any", "ideas"), ("bye",)}
LONGEST_PHRASE = max(map(len, POLITE))


@dataclass(frozen=True, slots=True)
class Form:
    """The words of a question in lower case, contractions apart, politeness at both ends left out."""

    words: tuple[str, ...]
    bag: frozenset[str]  # of the words, without articles
    lemmas: tuple[str, ...]
    capitals: frozenset[str]  # capital letters inside of a sentence
    first: str  # the word it begins with
    is_plain: bool  # asks for yes or no

    def after(self, word: str) -> str:
        """The word behind its first place, or ""."""
        at = self.words.index(word) + 1
        return self.words[at] if at < len(self.words) else ""


@dataclass(frozen=True, slots=True)
class Difference:
    """What one question says and the other does not. Both sides in the order of the two forms."""

    changed: tuple[tuple[str, str], ...]  # two forms of one word
    one: frozenset[str]  # words that only the first has
    other: frozenset[str]

    @property
    def only(self) -> tuple[str, str] | None:
        """The two words, when one word was replaced by one other and nothing else differs."""
        if self.changed or len(self.one) != 1 or len(self.other) != 1:
            return None
        return next(iter(self.one)), next(iter(self.other))

    @property
    def inflected(self) -> tuple[str, str] | None:
        """The two forms, when one word's form is all that differs."""
        return self.changed[0] if len(self.changed) == 1 and not self.one and not self.other else None


AUXILIARIES = frozenset("is are am was were do does did has have had will shall be been being".split())
OPENERS = AUXILIARIES | frozenset("can could should would may might must".split())


@lru_cache(maxsize=2048)
def read_form(text: str) -> Form:
    """The forms in a text, of which 4,000 characters are looked at."""
    plain = unicodedata.normalize("NFKC", text[:LONGEST_CHARACTERS].translate(PLAIN))
    words: list[str] = []
    breaks: list[bool] = []  # whether a comma or the like stands before the word
    capitals: set[str] = set()
    is_broken = is_first = True
    for token in WORD.findall(plain):
        if not token[0].isalnum():
            is_broken = True
            is_first = is_first or token[0] in ".:!?…"
            continue
        lower = token.casefold()
        if token[:1].isupper() and (not is_first or (len(token) > 1 and not token[1:].islower())):
            capitals.add(lower)
        elif len(token) > 1 and not token.islower() and not is_first:
            capitals.add(lower)  # iPad
        for part in _parts(lower):
            words.append(part)
            breaks.append(is_broken)
            is_broken = is_first = False
    start, end = _politeness(words, breaks)
    kept = tuple(words[start:end])
    return Form(
        kept,
        frozenset(kept) - ARTICLES,
        tuple(word if word in AUXILIARIES else base_of(word) for word in kept),
        frozenset(capitals),
        kept[0] if kept else "",
        bool(kept) and kept[0] in OPENERS,
    )


def _parts(lower: str) -> list[str]:
    if lower in CONTRACTIONS:
        return CONTRACTIONS[lower].split()
    if lower.endswith("n't"):
        return [lower[:-3], "not"]
    if "'" in lower:
        head, _, tail = lower.partition("'")
        lower = head if tail in ("s", "re", "ve", "ll", "d", "m", "") else lower
    lower = ABBREVIATIONS.get(lower, lower)
    return [SPELLINGS.get(lower, lower)]


def _politeness(words: list[str], breaks: list[bool]) -> tuple[int, int]:
    """Where the question itself begins and ends; all of it when it is nothing but politeness."""
    start, end = 0, len(words)
    while start < end:
        lengths = range(min(LONGEST_PHRASE, end - start), 0, -1)
        length = next((n for n in lengths if tuple(words[start : start + n]) in POLITE), 0)
        if not length:
            break
        start += length
    while end > start:
        lengths = range(min(LONGEST_PHRASE, end - start), 0, -1)
        length = next((n for n in lengths if tuple(words[end - n : end]) in POLITE), 0)
        at = end - length
        # "Who sang 'Sorry'": a quotation mark is no comma. And "sleep well" is not "sleep, well".
        if not length or at <= start or words[at - 1] in MENTIONING or (words[at] == "well" and not breaks[at]):
            break
        end = at
    return (start, end) if start < end else (0, len(words))


MOST_DIFFERENT = 5  # words, of a side


def difference(one: Form, other: Form) -> Difference | None:
    """What tells both apart; None when it is more than a few words, or hardly a word is common to both."""
    left, right = one.bag - other.bag, other.bag - one.bag
    if len(left) > MOST_DIFFERENT or len(right) > MOST_DIFFERENT or not one.bag & other.bag:
        return None
    if not left or not right:
        return Difference((), left, right)
    by_lemma = {base_of(word): word for word in sorted(right) if word not in AUXILIARIES}
    changed: list[tuple[str, str]] = []
    for word in sorted(left - AUXILIARIES):
        partner = by_lemma.pop(base_of(word), None)
        if partner is not None:
            changed.append((word, partner))
    return Difference(
        tuple(changed),
        left - {first for first, _ in changed},
        right - {second for _, second in changed},
    )


# Whose degrees the table has as words of their own.
ADJECTIVES = (
    "long short high low small large old young cheap fast slow warm cool light dark strong clean late early near "
    "far close full great big thin hot sad clear"
).split()
DEGREES = {
    form + end: word
    for word in ADJECTIVES
    for form in [word[:-1] + "i" if word.endswith("y") else word.removesuffix("e")]
    for form in [form + form[-1] if word in ("big", "thin", "hot", "sad") else form]
    for end in ("er", "est")
} | {"further": "far", "furthest": "far", "elder": "old", "eldest": "old"}


@lru_cache(maxsize=8192)
def base_of(word: str) -> str:
    """The base form, of participles and degrees too that are words of their own: annoying, latest."""
    lexicon = load_lexicon()
    lemma = lexicon.lemma(word)
    if lemma != word:
        return lemma
    if word in DEGREES:
        return DEGREES[word]
    for suffix in ("ing", "ed"):
        stem = word.removesuffix(suffix)
        if stem != word and len(stem) > 2:
            undoubled = stem[:-1] if stem[-1] == stem[-2] else stem
            return next((base for base in (stem, stem + "e", undoubled) if lexicon.knows(base)), word)
    return word


NO_VERBS = frozenset(
    """good bad child person man woman foot tooth mouse knife life wife leaf half index matrix analysis crisis datum
    medium vertex""".split()
)


def is_past(word: str) -> bool:
    """Looks like a past tense or participle: charged, won, frozen."""
    if word in IRREGULAR:
        return IRREGULAR[word] not in NO_VERBS and not word.endswith(("ing", "s"))
    return word.endswith("ed") and base_of(word) != word
