"""Refusals that need the words as they were written, before reading has made them alike.

The trained model reads lemmas and leaves out stop words and politeness (words.py); so do the shortcuts for the same
wording. Two questions that differ by nothing else than what is lost so - was and is, and and or, large and largest -
are told apart here.
"""

from collections.abc import Callable

from app.cache.judge.literal.formed import Difference, Form, difference, read_form
from app.cache.judge.literal.inflections import inflection_differs
from app.cache.judge.literal.lookalikes import lookalike_differs
from app.cache.judge.literal.mentioned import mention_differs
from app.cache.judge.literal.modals import modal_differs
from app.cache.judge.literal.names import names_differ
from app.cache.judge.literal.particles import small_word_differs
from app.cache.judge.literal.persons import persons_differ
from app.cache.judge.literal.reasons import Reason
from app.cache.judge.seen import Seen

Check = Callable[[Form, Form, Difference], Reason]

CHECKS: tuple[Check, ...] = (
    mention_differs,
    small_word_differs,
    inflection_differs,
    lookalike_differs,
    persons_differ,
    modal_differs,
)


def refusal(a: Seen, b: Seen) -> Reason:
    """The reason for which neither's answer may be served for the other, or "". Symmetric; linear in length."""
    return refusal_of(a.question.text, b.question.text)


def refusal_of(a: str, b: str) -> Reason:
    """`refusal`, of two texts."""
    if b < a:  # one order, so that no check can depend on it
        a, b = b, a
    one, other = read_form(a), read_form(b)
    if one.words == other.words:
        return ""
    found = difference(one, other)
    if found is None:
        return ""
    for check in CHECKS:
        reason = check(one, other, found)
        if reason:
            return reason
    return names_differ(a, b, found)
