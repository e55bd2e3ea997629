"""Small words that count: "and" against "or", particles, "too", and verbs that the lists of stop words hold."""

from app.cache.judge.literal.formed import ARTICLES, AUXILIARIES, DEGREES, Difference, Form
from app.cache.judge.literal.reasons import Reason

# Two are named to be compared, joined by either word.
COMPARED = frozenset("difference differences between better worse versus compare".split()) | {
    word for word in DEGREES if word.endswith("er")
}
# "12 and older", "12 or older".
ONWARDS = frozenset("older over above up younger under below more less fewer later earlier".split())
# What is asked of 8 and 2 is not what is asked of 2 and 8.
ORDERED = frozenset("ratio ratios quotient subtract subtracting divide dividing divided minus respectively".split())
PARTICLES = frozenset("off out up down over away back through into around".split())
LOOSE_VERBS = frozenset("log sign clean dry start print copy heat head slow write close sell".split())
VERBS = frozenset(frozenset(pair.split("/")) for pair in """get/give want/know need/know like/know want/need like/need
                  like/want tell/know like/also""".split())  # fmt: skip
MANY, ONE = frozenset("several many multiple".split()), frozenset("single one".split())
SINGLE = frozenset("room rooms bed beds malt parent parents ticket cream".split())
DIFFERENCE = frozenset(("difference", "differences"))
EXCHANGE = ("exchange", "rate")


def small_word_differs(one: Form, other: Form, found: Difference) -> Reason:
    """The reason for which both ask two things, or ""."""
    if not found.one and not found.other and not found.changed:
        return "direction" if _order_differs(one, other) else ""
    if _joined_differ(one, other):
        return "scope"
    both = found.one | found.other
    if both == {"too"} and one.is_plain:
        side = one if found.one else other
        return "attribute" if 1 < side.words.index("too") < len(side.words) - 1 else ""
    if both == {"both", "either"} and len(found.one) == 1:
        return "scope"
    counts = both - AUXILIARIES
    if len(counts) == 2 and counts & MANY and counts & ONE:
        return "scope"
    pair = found.only
    return _pair_differs(one, other, pair) if pair else ""


def _pair_differs(one: Form, other: Form, pair: tuple[str, str]) -> Reason:
    both = frozenset(pair)
    if both == {"and", "or"}:
        is_onwards = any(after in ONWARDS and before.isdigit() for before, after in _joined(one, "and"))
        return "" if is_onwards or (one.bag & other.bag & COMPARED) else "scope"
    if both <= PARTICLES:
        return "" if set(one.lemmas) & LOOSE_VERBS else "wording"
    if both == {"too", "so"}:
        return "attribute" if one.is_plain else ""
    if both == {"single", "one"}:
        return "attribute" if one.after(pair[0]) in SINGLE else ""
    if both in VERBS:
        following = {one.after(pair[0]), other.after(pair[1])}
        return "" if following & {"to", "me", "us", "about", "if"} or "would" in one.bag | other.bag else "wording"
    return ""


def _joined_differ(one: Form, other: Form) -> bool:
    """The same two words have "and" between them here and "or" there. "Difference between" is asked with both."""
    for first, second in ((one, other), (other, one)):
        if "and" not in first.bag or "or" not in second.bag or DIFFERENCE & first.bag & second.bag:
            continue
        pairs = _joined(first, "and") & _joined(second, "or")
        if any(not (after in ONWARDS and before.isdigit()) for before, after in pairs):
            return True
    return False


def _joined(form: Form, conjunction: str) -> set[tuple[str, str]]:
    """The words on both sides of it."""
    words = [word for word in form.words if word not in ARTICLES]
    return {(words[at - 1], words[at + 1]) for at, word in enumerate(words[:-1]) if word == conjunction and at}


def _order_differs(one: Form, other: Form) -> bool:
    """Two things on both sides of an "and" have changed places where the first is not the second's equal."""
    if one.words == other.words or "and" not in one.bag:
        return False
    is_rate = one.bag.issuperset(EXCHANGE) or one.bag.issuperset(("exchange", "rates"))
    if not (one.bag & ORDERED or is_rate):
        return False
    return _around(one) != _around(other) and sorted(_around(one)) == sorted(_around(other))


def _around(form: Form) -> tuple[str, ...]:
    at = form.words.index("and")
    return form.words[max(at - 1, 0) : at] + form.words[at + 1 : at + 2]
