"""Phrases that say the same, and opposites: a small list by hand, beside WordNet's."""

import functools
from dataclasses import dataclass
from pathlib import Path

from app.cache.judge.lexicon import load_lexicon
from app.cache.judge.words import Word, read

CONCEPTS_FILE = Path(__file__).with_name("concepts.txt")

# What a question may ask for. Two questions that ask for different ones have different answers.
ASKED = frozenset(
    """cost height length distance duration depth width weight size area speed age temperature count author inventor founder
    director painter composer discover birth death reason consequence method meaning place person time year deadline schedule
    frequency difference recommend maximum minimum allowed required forbidden population translate summarise shorten explain
    write rewrite proofread list_task classify extract example benefit drawback colour name""".split()
)


@dataclass(frozen=True, slots=True)
class Concepts:
    """Base-form phrases to the concepts that they may mean."""

    phrases: dict[tuple[str, ...], frozenset[str]]
    opposites: frozenset[tuple[str, str]]
    longest: int

    def find(self, words: tuple[Word, ...]) -> list[tuple[int, int, frozenset[str]]]:
        """(first word, words, concepts), left to right, the longest phrase first; words without one are left out."""
        bases = base_forms(words)
        found, at = [], 0
        while at < len(bases):
            for length in range(min(self.longest, len(bases) - at), 0, -1):
                concepts = self.phrases.get(bases[at : at + length])
                if concepts:
                    found.append((at, length, concepts))
                    at += length
                    break
            else:
                at += 1
        return found

    def are_opposites(self, first: frozenset[str], second: frozenset[str]) -> bool:
        """Some concept of one is the opposite of some concept of the other."""
        return any((one, other) in self.opposites for one in first for other in second)


def base_forms(words: tuple[Word, ...]) -> tuple[str, ...]:
    """As phrases are compared: stop words in their base form too."""
    lemma = load_lexicon().lemma
    return tuple(word.lemma if word.kind in ("content", "name", "unit") else lemma(word.text) for word in words)


@functools.cache
def load_concepts() -> Concepts:
    """The shipped list, read once a process."""
    phrases: dict[tuple[str, ...], set[str]] = {}
    opposites: set[tuple[str, str]] = set()
    section = ""
    for line in CONCEPTS_FILE.read_text().splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            section = line
        elif section == "[same]":
            name, _, forms = line.partition(":")
            for form in forms.split(","):
                phrases.setdefault(base_forms(read(form.strip()).words), set()).add(name)
        else:
            first, second = (side.strip() for side in line.split("|"))
            opposites |= {(first, second), (second, first)}
            for side in (first, second):
                phrases.setdefault(base_forms(read(side).words), set()).add(side)
    phrases.pop((), None)
    return Concepts(
        {phrase: frozenset(names) for phrase, names in phrases.items()}, frozenset(opposites), max(map(len, phrases))
    )
