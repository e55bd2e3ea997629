"""From A to B, and from B to A in other words: "move it from Spotify" is not "bring it into Spotify"."""

from app.cache.judge.literal.reasons import Reason
from app.cache.judge.seen import Seen

AWAY = frozenset(("from",))
TOWARDS = frozenset(("to", "into", "onto", "toward", "towards"))


def directions_differ(a: Seen, b: Seen) -> Reason:
    """A name that one leaves and the other comes to. Symmetric."""
    one, other = _named(a), _named(b)
    for lemma in one.keys() & other.keys():
        places = {one[lemma], other[lemma]}
        if places & AWAY and places & TOWARDS:
            return "direction"
    return ""


def _named(side: Seen) -> dict[str, str]:
    """The preposition of each name that stands once."""
    found: dict[str, str] = {}
    for item, place in zip(side.items, side.places, strict=True):
        if item.kind == "name" or item.is_capital:
            found[item.lemma] = "" if item.lemma in found else place
    return found
