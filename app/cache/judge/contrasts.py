"""The contrasts that have a name: why a pair is refused."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """`is_certain` refuses whatever the model says; else `reason` only explains a low score."""

    reason: str
    is_certain: bool


def why_not(found: Mapping[str, float]) -> Refusal:
    """The first contrast that a pair's features show, the surest first; "wording" when none has a name."""
    if found["same_key"]:
        return Refusal("", False)
    for reason, holds in CERTAIN:
        if holds(found):
            return Refusal(reason, True)
    return Refusal(next((reason for reason, holds in LIKELY if holds(found)), "wording"), False)


def _alike(found: Mapping[str, float]) -> bool:
    """Nearly the same text, so that what differs is what was meant to differ."""
    return found["common_run"] >= 0.75


CERTAIN = (
    ("number", lambda f: f["left_number.low"] > 0 and f["numbers_conflict"] > 0),
    ("date", lambda f: f["left_date.low"] > 0),
    ("unit", lambda f: f["left_unit.low"] > 0 and f["units_conflict"] > 0 and _alike(f)),
    ("number", lambda f: f["left_code.low"] > 0 and _alike(f)),
    ("number", lambda f: f["left_ordinal.low"] > 0 and _alike(f)),
    ("negation", lambda f: f["left_negation.high"] > 0 and f["negations_differ"] > 0 and _alike(f)),
    ("antonym", lambda f: f["opposites"] > 0 and _alike(f)),
    ("direction", lambda f: f["roles_swapped"] > 0 and f["same_words"] > 0),
    ("question", lambda f: f["heads_differ"] > 0 and f["word_overlap"] > 0.4),
    ("task", lambda f: f["papers_differ"] > 0),
    ("wording", lambda f: f["symbols_off"] > 2 and f["symbols"] > 2 and _alike(f)),
)
LIKELY = (
    ("number", lambda f: f["left_number.high"] > 0 or f["left_code.high"] > 0 or f["left_ordinal.high"] > 0),
    ("date", lambda f: f["left_date.high"] > 0),
    ("unit", lambda f: f["left_unit.high"] > 0),
    ("negation", lambda f: f["negations_differ"] > 0 or f["parity_differs"] > 0),
    ("antonym", lambda f: f["opposites"] > 0),
    ("entity", lambda f: f["left_name.high"] > 0),
    ("task", lambda f: f["tasks_differ"] > 0),
    ("direction", lambda f: f["roles_swapped"] > 0 or f["moved"] > 1 or f["mark_before"] + f["mark_after"] > 1),
    ("condition", lambda f: f["mark_if"] > 0),
    ("scope", lambda f: f["mark_only"] + f["mark_all"] > 0),
    ("question", lambda f: f["question_words_conflict"] > 0 or f["asked_disjoint"] > 0 or f["heads_conflict"] > 0),
)
