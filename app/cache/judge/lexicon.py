"""What common words have to do with each other: a small table derived from WordNet 3.1.

WordNet 3.1, copyright 2011 by Princeton University; its licence is in `lexicon.LICENSE` beside the table.
"""

import functools
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

LEXICON_FILE = Path(__file__).with_name("lexicon.npz")

IRREGULAR = {
    form: base
    for base, forms in {
        "be": "am is are was were been being", "have": "has had having", "do": "does did done doing",
        "go": "went gone goes", "get": "got gotten", "buy": "bought", "bring": "brought", "begin": "began begun",
        "break": "broke broken", "build": "built", "catch": "caught", "choose": "chose chosen", "come": "came",
        "cost": "costs", "cut": "cutting", "deal": "dealt", "die": "dying", "draw": "drew drawn",
        "drink": "drank drunk", "drive": "drove driven", "eat": "ate eaten", "fall": "fell fallen", "feel": "felt",
        "fight": "fought", "find": "found", "fly": "flew flown", "forget": "forgot forgotten", "freeze": "froze frozen",
        "give": "gave given", "grow": "grew grown", "hear": "heard", "hide": "hid hidden", "hold": "held",
        "keep": "kept", "know": "knew known", "lead": "led", "leave": "left", "lend": "lent", "lose": "lost",
        "make": "made", "mean": "meant", "meet": "met", "pay": "paid", "ride": "rode ridden", "ring": "rang rung",
        "rise": "rose risen", "run": "ran running", "say": "said", "see": "saw seen", "sell": "sold", "send": "sent",
        "shake": "shook shaken", "show": "shown", "shrink": "shrank shrunk", "sing": "sang sung", "sink": "sank sunk",
        "sleep": "slept", "speak": "spoke spoken", "spend": "spent", "stand": "stood", "steal": "stole stolen",
        "stick": "stuck", "swim": "swam swum", "take": "took taken", "teach": "taught", "tear": "tore torn",
        "tell": "told", "think": "thought", "throw": "threw thrown", "understand": "understood",
        "wake": "woke woken", "wear": "wore worn", "win": "won winning", "write": "wrote written",
        "good": "better best", "bad": "worse worst", "child": "children", "person": "people persons", "man": "men",
        "woman": "women", "foot": "feet", "tooth": "teeth", "mouse": "mice", "knife": "knives", "life": "lives",
        "wife": "wives", "leaf": "leaves", "half": "halves", "index": "indices indexes", "matrix": "matrices",
        "analysis": "analyses", "crisis": "crises", "datum": "data", "medium": "media", "vertex": "vertices",
    }.items()
    for form in forms.split()
}  # fmt: skip
SUFFIXES = (
    ("ies", "y"), ("ied", "y"), ("ying", "ie"), ("sses", "ss"), ("shes", "sh"), ("ches", "ch"), ("xes", "x"),
    ("zes", "z"), ("s", ""), ("ing", "e"), ("ing", ""), ("ed", "e"), ("ed", ""), ("est", "e"), ("est", ""),
    ("er", "e"), ("er", ""), ("iest", "y"), ("ier", "y"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words to senses (rarer ones behind), senses to their kind, and words to their opposites and derivations.

    `others`: the `spelling` of words that nothing else is known of, rising.
    """

    senses: dict[str, tuple[int, ...]]
    parents: tuple[int, ...]
    opposites: dict[str, set[str]]  # by either word of a pair; most words have none
    derived: dict[str, set[str]]
    others: NDArray[np.uint32]

    @classmethod
    def load(cls, path: Path = LEXICON_FILE) -> Self:
        """Raises OSError or ValueError when the file is missing or broken."""
        with np.load(path, allow_pickle=False) as table:
            words = table["words"].tobytes().decode().split("\n")
            starts, senses = table["starts"].tolist(), table["senses"].tolist()
            pairs = {
                name: _by_word((words[first], words[second]) for first, second in table[name].tolist())
                for name in ("antonyms", "related")
            }
            return cls(
                {word: tuple(senses[starts[i] : starts[i + 1]]) for i, word in enumerate(words)},
                tuple(table["parents"].tolist()),
                pairs["antonyms"],
                pairs["related"],
                table["others"],
            )

    def knows(self, word: str) -> bool:
        """Whether this, lower case, is a word or a form of one. Of 10,000 that are none one or two pass for one."""
        if self.lemma(word) in self.senses:
            return True
        stems = [word, *(word[: -len(suffix)] + ending for suffix, ending in SUFFIXES if word.endswith(suffix))]
        keys = np.array([spelling(stem) for stem in stems], dtype=np.uint32)
        places = np.minimum(np.searchsorted(self.others, keys), len(self.others) - 1)
        return bool((self.others[places] == keys).any())

    def lemma(self, word: str) -> str:
        """The base form of a lower-case word, as the table has it; else the word."""
        if word in IRREGULAR:
            return IRREGULAR[word]
        for suffix, ending in SUFFIXES:
            if len(word) - len(suffix) >= 2 and word.endswith(suffix):
                stem = word[: -len(suffix)] + ending
                if suffix in ("er", "est") and word in self.senses:
                    break  # "number" is no comparative of "numb"
                if stem in self.senses and not (suffix == "s" and word.endswith("ss")):
                    return stem
                if len(stem) > 3 and stem[-1:] == stem[-2:-1] and stem[:-1] in self.senses:
                    return stem[:-1]  # stopped, running
        return word

    def are_synonyms(self, first: str, second: str) -> bool:
        """They share one of their first senses."""
        senses = self.senses.get(first)
        return senses is not None and not set(senses).isdisjoint(self.senses.get(second, ()))

    def are_opposites(self, first: str, second: str) -> bool:
        """WordNet names one the antonym of the other, or of a synonym of it."""
        opposites = self.opposites.get(first)
        return opposites is not None and second in opposites

    def are_derived(self, first: str, second: str) -> bool:
        """One comes from the other: author and authorship, Australia and Australian."""
        derived = self.derived.get(first)
        return derived is not None and second in derived

    def are_siblings(self, first: str, second: str) -> bool:
        """Their usual senses are different things of one kind, or one is a kind of the other."""
        kinds = [{self.parents[sense] for sense in self.senses.get(word, ())[:3]} - {-1} for word in (first, second)]
        return not kinds[0].isdisjoint(kinds[1])


def _by_word(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for first, second in pairs:
        found.setdefault(first, set()).add(second)
        found.setdefault(second, set()).add(first)
    return found


def spelling(word: str) -> int:
    """What stands for a word among those that nothing else is known of."""
    return zlib.crc32(word.encode())


@functools.cache
def load_lexicon() -> Lexicon:
    """The shipped table, read once a process (about 60 ms, 10 MB)."""
    return Lexicon.load()
