"""What the reading for the model throws away, compared on the texts themselves: signs, letters, units, accents.

The model was trained on words.py's reading, in which √16 is 16 and vitamin A is "vitamin". These checks refuse a pair
before any shortcut, and only for what certainly makes another question; each text is analysed once.
"""

import re
from collections import Counter

from app.cache.judge.literal.marks import Marks, bag, marks
from app.cache.judge.literal.notation import Notation, notation
from app.cache.judge.literal.reasons import Reason
from app.cache.judge.literal.scripts import accents_differ, foreign
from app.cache.judge.seen import Seen
from app.cache.judge.words import Question, Word

PLAIN = re.compile(r"[A-Za-z ,.?'\u2019]*")
ALONE = re.compile(
    r"\b[B-HJ-Zb-hj-z]\b(?<!['\u2019].)|(?<=\w )A\b"
    r"|\ba(?= ?(?:[?.,]|$|and\b|or\b|is\b|do|cover|for\b|in\b|of\b|on\b|to\b))"
)
IN_WORDS = re.compile(
    r"times|squared|cubed|factorial|root of|sqrt|divided|power|prime|watt|bytes?\b|bits?\b"
    r"|\b(?:lbs?|gbp|quid|sterling)\b|\b[kmgt]i?b\b|\b[kmgt]bit|\b[kmg]wh?\b|bps\b|\b(?:ii|iii|iv|vi|war i|type i)\b",
    re.IGNORECASE,
)
FREE_ONE = frozenset(("a", "an", "one", "single", "per", "each"))


def refusal(a: Seen, b: Seen) -> Reason:
    """Why the pair is refused for certain, or "". Symmetric, and linear in the texts' length."""
    one, other = a.question.text, b.question.text
    if one == other or (_is_plain(one) and _is_plain(other)):
        return ""
    scripts = foreign(one), foreign(other)
    if scripts[0] != scripts[1] or (not scripts[0] and accents_differ(one, other)):
        return "wording"
    reason = _notations_differ(notation(one), notation(other), a, b)
    return reason or _marks_differ(marks(one), marks(other), a.question, b.question)


def _is_plain(text: str) -> bool:
    """Nothing but words, spaces and final punctuation, as most questions."""
    return PLAIN.fullmatch(text.rstrip(" ?!.")) is not None and not ALONE.search(text) and not IN_WORDS.search(text)


def _notations_differ(one: Notation, other: Notation, a: Seen, b: Seen) -> Reason:
    if one == other:
        return ""
    if (one.flags and other.flags and one.flags != other.flags) or (one.urls and other.urls and one.urls != other.urls):
        return "entity"
    if one.escapes and other.escapes and one.escapes != other.escapes:
        return "entity"
    if set(one.asked) != set(other.asked) and (_same_words(a, b) or (one.asked and other.asked)):
        return "entity"
    if one.inside and other.inside and set(one.inside) != set(other.inside):
        return "entity"
    if one.every == other.every:
        return ""
    if one.every and other.every:
        # One may have said in words what the other writes: "x > 5", "x is more than 5".
        is_said = one.strong == other.strong and (
            _is_within(one.every, other.every) or _is_within(other.every, one.every)
        )
        return "" if is_said else "wording"
    return "wording" if one.strong != other.strong and _same_words(a, b) else ""


def _is_within(some: tuple[str, ...], every: tuple[str, ...]) -> bool:
    """All of `some` stand in `every`, in that order."""
    rest = iter(every)
    return all(sign in rest for sign in some)


def _same_words(a: Seen, b: Seen) -> bool:
    return sorted(a.question.key) == sorted(b.question.key)


def _marks_differ(one: Marks, other: Marks, a: Question, b: Question) -> Reason:
    if one.letters - other.letters and other.letters - one.letters:
        return "entity"
    if one.units != other.units and _units_differ(dict(one.units), dict(other.units)) and _are_alike(a, b):
        return "unit"
    return "number" if _ones_differ(one, other, a, b) else ""


def _units_differ(one: dict[str, frozenset[str]], other: dict[str, frozenset[str]]) -> bool:
    """Units that words.py takes for one: MB and Mb, kW and W, lb and the pounds of Britain."""
    for family, found in one.items():
        against = other.get(family, found)
        left, right = found - against, against - found
        if "?" in found | against or not (left and right):
            continue
        if family != "size" or {unit.lower() for unit in left} & {unit.lower() for unit in right}:
            return True
    return False


def _are_alike(a: Question, b: Question) -> bool:
    """Most words are common to both, so that what differs was meant to differ."""
    one, other = set(a.key), set(b.key)
    return 2 * len(one & other) >= len(one | other)


def _ones_differ(one: Marks, other: Marks, a: Question, b: Question) -> bool:
    """A 1 or a fraction in digits that the other, with numbers too, has not; the words one, a and single are free."""
    bags = [bag(_digits(words), found) for words, found in ((a.words, one), (b.words, other))]
    if not all(bags) or bags[0] == bags[1] or not _are_alike(a, b):
        return False
    spelled = [Counter(w.lemma for w in side.words if w.kind == "number" and w.text.isalpha()) for side in (a, b)]
    for side in (0, 1):
        more, less = bags[side] - bags[1 - side], bags[1 - side] - bags[side]
        said = {*(spelled[0] - spelled[1]), *(spelled[1] - spelled[0])} - {"1"}
        fractions = [number for number in more if "/" in number]
        if fractions and not said and not any(w.kind == "month" for q in (a, b) for w in q.words):
            return not _equal_values(more, less)
        ones = spelled[1 - side]["1"] > spelled[side]["1"] or _ones((b, a)[side]) > _ones((a, b)[side])
        if "1" in more and not said and not ones:
            return True
    return False


def _digits(words: tuple[Word, ...]) -> tuple[str, ...]:
    """Of 1+1 words.py reads the first as a name, like C++."""
    return tuple(
        word.lemma.rstrip("+")
        for word in words
        if (word.kind == "number" and not word.text.isalpha()) or (word.lemma[-1:] == "+" and word.lemma[0].isdigit())
    )


def _ones(question: Question) -> int:
    return sum(word.text in FREE_ONE or word.lemma == "#1" for word in question.words)


def _equal_values(more: Counter[str], less: Counter[str]) -> bool:
    """1/2 and 0.5."""
    return sorted(map(_number, more.elements())) == sorted(map(_number, less.elements()))


def _number(text: str) -> float:
    above, _, below = text.partition("/")
    try:
        return round(float(above) / float(below or 1), 3)
    except (ValueError, ZeroDivisionError):
        return -1.0
