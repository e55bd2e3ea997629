"""How far a passage bears out a sentence: words, numbers, names and negations first, then meaning.

A similar vector alone says little: "within 14 days" and "within 30 days" lie close together. So the words are held
against each other as the semantic cache's judge does it (app/cache/judge: canonical numbers and units, synonyms of
WordNet), and the embedding makes up for other wording.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from app.cache.judge.alignment import Item, items_of, relation
from app.cache.judge.words import read
from app.guard.output.sentences import sentences
from app.retrieval.marks import content_words

CANDIDATES = 2  # sentences of the passages that a sentence is held against, with their neighbours
MAX_PASSAGE_SENTENCES = 400  # of a request
MAX_ITEMS = 64  # of a sentence; the work is quadratic
MAX_SENTENCE = 1000  # characters of a sentence that are read
_TWICE = re.compile(r"\btwice\b", re.IGNORECASE)
_FACTS = frozenset(("number", "ordinal", "month", "weekday", "code"))

# Logistic weights, fitted by `python -m jobs.measure_groundedness --fit` on the training half of
# evals/guard/groundedness.jsonl.
WEIGHTS: Mapping[str, float] = {
    "words": 3.23,
    "meaning": 4.5,
    "facts_elsewhere": -3.08,
    "facts_nowhere": -0.01,
    "names_nowhere": -1.26,
    "negation": -1.76,
}
BIAS = -4.06
FEATURES = tuple(WEIGHTS)
MOST_WITH_FACTS_NOWHERE = 0.3  # a number that no passage has is no passage's, whatever else fits


@dataclass(frozen=True, slots=True)
class Analysed:
    """A sentence of a passage or an answer, or two in a row."""

    text: str
    items: tuple[Item, ...]
    lemmas: frozenset[str]
    negations: int


@dataclass(frozen=True, slots=True)
class Ground:
    """All sentences of the passages, and what they hold together."""

    singles: tuple[Analysed, ...]
    pairs: tuple[Analysed, ...]  # each sentence with the next of its passage
    lemmas: frozenset[str]
    texts: frozenset[str]  # words as they are written, lower case


@dataclass(frozen=True, slots=True)
class Held:
    """A sentence with what in the passages comes nearest by the words."""

    sentence: Analysed
    nearest: tuple[Analysed, ...]
    found: Mapping[str, float]  # all features but the meaning

    @property
    def is_decided(self) -> bool:
        """Whether the embedding would change nothing."""
        return self.found["facts_nowhere"] > 0


@lru_cache(maxsize=4096)
def analyse(text: str) -> Analysed:
    """A text's words in canonical form, the first thousand characters of it."""
    question = read(_TWICE.sub("two times", text[:MAX_SENTENCE]))
    items = tuple(item for item in items_of(question)[:MAX_ITEMS] if item.must_match)
    negations = sum(word.kind == "negation" for word in question.words)
    said = tuple(item for item in items if item.kind != "negation")
    return Analysed(text, said, frozenset(item.lemma for item in said), negations)


def ground(passages: Sequence[str], question: str = "") -> Ground:
    """The passages, read. What the user's question names may be named."""
    singles: list[Analysed] = []
    pairs: list[Analysed] = []
    for passage in passages:
        texts = [each.text for each in sentences(passage)][: max(0, MAX_PASSAGE_SENTENCES - len(singles))]
        singles += map(analyse, texts)
        pairs += (analyse(f"{one} {other}") for one, other in pairwise(texts))
    lemmas = frozenset().union(*(each.lemmas for each in singles), analyse(question).lemmas)
    words = frozenset().union(*map(content_words, passages), content_words(question))
    return Ground(tuple(singles), tuple(pairs), lemmas, words)


def hold(sentence: str, against: Ground) -> Held:
    """The sentence against what shares the most words with it."""
    said = analyse(sentence)
    singles = sorted(against.singles, key=lambda each: _shared(said, each), reverse=True)[:CANDIDATES]
    pairs = sorted(against.pairs, key=lambda each: _shared(said, each), reverse=True)[:CANDIDATES]
    nearest = (*singles, *pairs)
    best = max(nearest, key=lambda each: _covered(said, each), default=None)
    single = max(singles, key=lambda each: _covered(said, each), default=None)
    facts = [item for item in said.items if item.kind in _FACTS]
    nowhere = [item for item in facts if item.lemma not in against.lemmas and item.text not in against.texts]
    elsewhere = [item for item in said.items if item.kind in _FACTS or item.kind == "unit"]
    # The first word is a capital anyway.
    names = [item for item in said.items if item.kind == "name" and item.first > 0]
    strange = [item for item in names if not ({item.lemma, *item.text.split()} & (against.lemmas | against.texts))]
    found = {
        "words": _covered(said, best) if best else 0.0,
        "facts_elsewhere": float(any(best is None or item.lemma not in best.lemmas for item in elsewhere)),
        "facts_nowhere": float(bool(nowhere)),
        "names_nowhere": float(bool(strange)),
        # The nearer the words, the more it is the denial that differs.
        "negation": _covered(said, single) if single and bool(said.negations) != bool(single.negations) else 0.0,
    }
    return Held(said, nearest, found)


def support(found: Mapping[str, float], meaning: float) -> float:
    """0 to 1. `meaning`: the highest cosine of the sentence with what it was held against."""
    total = BIAS + sum(WEIGHTS[name] * value for name, value in {**found, "meaning": meaning}.items())
    surely = 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))
    return min(surely, MOST_WITH_FACTS_NOWHERE) if found["facts_nowhere"] else surely


def _shared(said: Analysed, other: Analysed) -> float:
    return len(said.lemmas & other.lemmas) / math.sqrt(1 + len(other.lemmas))


@lru_cache(maxsize=65_536)
def _related(one: Item, other: Item) -> float:
    return relation(one, other)


def _left(said: Analysed, other: Analysed) -> list[Item]:
    """What the sentence says and the other does not."""
    return [
        item
        for item in said.items
        if item.lemma not in other.lemmas and not any(_related(item, each) > 0 for each in other.items)
    ]


def _covered(said: Analysed, other: Analysed) -> float:
    return 1 - len(_left(said, other)) / max(1, len(said.items))
