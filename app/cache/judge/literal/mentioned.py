"""Politeness that is spoken of, not said: how do I say hello, who sang Sorry, how do I sleep well."""

from app.cache.judge.literal.formed import MENTIONING, SOCIAL, Difference, Form
from app.cache.judge.literal.reasons import Reason


def mention_differs(one: Form, other: Form, found: Difference) -> Reason:
    """ "entity" when nothing but the polite words inside of the question differ, and those are what it is about."""
    if found.changed or not found.one | found.other:
        return ""
    if found.one ^ found.other == {"well"} and not found.one & found.other:
        side = one if found.one else other
        return "attribute" if side.words.index("well") > 1 else ""
    if not found.one | found.other <= SOCIAL:
        return ""
    # Both have it: "how do I say goodbye please" differs from "how do I say goodbye" by politeness.
    spoken = [_spoken(form) for form in (one, other)]
    return "entity" if all(spoken) and spoken[0] != spoken[1] else ""


def _spoken(form: Form) -> tuple[str, ...]:
    """The polite words that follow a word such as "say"."""
    for at, word in enumerate(form.words[:-1]):
        if word in MENTIONING and form.words[at + 1] in SOCIAL:
            end = at + 1
            while end < len(form.words) and form.words[end] in SOCIAL:
                end += 1
            return form.words[at + 1 : end]
        if word in ("mean", "means") and form.words[at - 1] in SOCIAL:
            return _before(form, at)
    if form.words and form.words[-1] in ("mean", "means"):
        return _before(form, len(form.words) - 1)
    return ()


def _before(form: Form, end: int) -> tuple[str, ...]:
    start = end
    while start and form.words[start - 1] in SOCIAL:
        start -= 1
    return form.words[start:end]
