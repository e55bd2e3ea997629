"""What stands in quotation marks is spoken of, whatever reading makes of it."""

import re

from app.cache.judge.literal.reasons import Reason
from app.cache.judge.seen import Seen

QUOTED = re.compile(r"[\"“«„]([^\"“”«»„]{1,200})[\"”»“]")
EDGE = " .,;:!?…"


def quotes_differ(a: Seen, b: Seen) -> Reason:
    """Both quote, and no quotation of one is the other's. Symmetric."""
    one, other = _quoted(a.question.text), _quoted(b.question.text)
    return "entity" if one and other and one.isdisjoint(other) else ""


def _quoted(text: str) -> frozenset[str]:
    if not any(sign in text for sign in '"“«„'):
        return frozenset()
    spans = (" ".join(span.casefold().split()).strip(EDGE) for span in QUOTED.findall(text))
    return frozenset(span for span in spans if span)
