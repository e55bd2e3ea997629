"""What the rails of this package have in common: bounded lists of hits, and versions."""

import hashlib
from collections.abc import Iterable

from app.config.policy import RailSettings
from app.guard.types import Hit

MOST_HITS = 200  # of one text
_CHANGES_NOTHING = {"mode", "threshold", "deadline_ms", "on_failure"}


def bounded(hits: Iterable[Hit], length: int) -> list[Hit]:
    """The hits, in reading order as they come; from the 200th on one hit for all that follows, so that what masks
    leaves nothing of it. Takes no more than it needs of an iterable."""
    kept: list[Hit] = []
    for hit in hits:
        if len(kept) == MOST_HITS - 1:
            kept.append(Hit(hit.rule, hit.score, hit.start, length))
            break
        kept.append(hit)
    return kept


def whole(rule: str, score: float, text: str) -> Hit:
    """A hit that is about all of a text."""
    return Hit(rule, score, 0, len(text))


def version_of(settings: RailSettings, revision: int, *further: object) -> str:
    """Changes with the settings that decide what is found, with `revision` (of the code), and with `further`."""
    found = settings.model_dump(exclude=_CHANGES_NOTHING)
    told = (revision, found, *further)
    return f"{found['rail']}-{hashlib.blake2b(repr(told).encode(errors='replace'), digest_size=6).hexdigest()}"
