"""What I can do, what I must do, what I should do and what I have done are four questions."""

from collections import Counter
from functools import lru_cache

from app.cache.judge.literal.formed import ARTICLES, AUXILIARIES, Difference, Form, is_past
from app.cache.judge.literal.reasons import Reason

CAN, MUST, SHOULD, DONE = "can", "must", "should", "done"
ALONE = {"can": CAN, "could": CAN, "may": CAN, "must": MUST, "should": SHOULD}
BEFORE_TO = {"allowed": CAN, "able": CAN, "permitted": CAN, "have": MUST, "has": MUST, "need": MUST, "needs": MUST,
             "required": MUST, "obliged": MUST, "got": MUST, "supposed": SHOULD, "ought": SHOULD}  # fmt: skip
HAVE = frozenset("have has had".split())
MONTH_BEFORE = frozenset("in on of until since by from to this next last early late mid".split())
PASSED_OVER = AUXILIARIES | ARTICLES | frozenset(ALONE) | frozenset(BEFORE_TO) | {"to"}
SPEAKERS = frozenset(("i", "we"))
MODALS = frozenset(ALONE) | frozenset(BEFORE_TO) | HAVE


def modal_differs(one: Form, other: Form, found: Difference) -> Reason:
    """ "attribute" when the same is asked of another kind of doing, or ""."""
    if MODALS.isdisjoint(found.one | found.other):
        return ""
    (first, rest), (second, others) = _modals(one), _modals(other)
    if rest != others or {one.first, other.first} & SPEAKERS:  # "I need to cancel" is a wish
        return ""
    more, less = Counter(first) - Counter(second), Counter(second) - Counter(first)
    return "attribute" if more and less else ""


@lru_cache(maxsize=4096)
def _modals(form: Form) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The modals in order, and the lemmas of the other words, sorted."""
    words, found = form.words, []
    for at, word in enumerate(words):
        following = words[at + 1] if at + 1 < len(words) else ""
        before = words[at - 1] if at else ""
        if word == "may" and (not following or before in MONTH_BEFORE or before.isdigit() or following.isdigit()):
            continue
        if word in ALONE:
            found.append(ALONE[word])
        elif word in BEFORE_TO and following == "to":
            found.append(BEFORE_TO[word])
        elif word in HAVE and _is_perfect(words, at):
            found.append(DONE)
    rest = (lemma for word, lemma in zip(words, form.lemmas, strict=True) if word not in PASSED_OVER)
    return tuple(found), tuple(sorted(rest))


def _is_perfect(words: tuple[str, ...], at: int) -> bool:
    """Have I ordered; and not do I have, or can I have it delivered."""
    before = words[:at]
    is_first = AUXILIARIES.isdisjoint(before) and ALONE.keys().isdisjoint(before)
    return is_first and any(is_past(later) for later in words[at + 1 :])
