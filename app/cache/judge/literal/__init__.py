"""What tells two questions apart as they were written, and is lost in reading (words.py).

Signs, letters and scripts; tense, degree and small words. It refuses for certain, before any shortcut for the same
wording.
"""

from app.cache.judge.literal.directions import directions_differ
from app.cache.judge.literal.forms import refusal as forms_differ
from app.cache.judge.literal.languages import is_other_language
from app.cache.judge.literal.quotes import quotes_differ
from app.cache.judge.literal.reasons import REASONS, Reason
from app.cache.judge.literal.same import same_asked
from app.cache.judge.literal.signs import refusal as signs_differ
from app.cache.judge.seen import Seen


def told_apart(a: Seen, b: Seen) -> float:
    """The place in `REASONS` of why the pair is refused; 0 where nothing differs so. Symmetric."""
    reason = signs_differ(a, b) or forms_differ(a, b) or quotes_differ(a, b) or directions_differ(a, b)
    return float(REASONS.index(reason or _languages_differ(a, b)))


def _languages_differ(a: Seen, b: Seen) -> Reason:
    """In languages that the model does not know, a hit needs the same words: it takes "con" for "sin"."""
    is_other = is_other_language(a.question.text) or is_other_language(b.question.text)
    return "wording" if is_other and not same_asked(a, b) else ""
