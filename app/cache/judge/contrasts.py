"""The contrasts that have a name: why a pair is refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.cache.judge.literal.reasons import REASONS

Check = Callable[[Mapping[str, float]], bool]


@dataclass(frozen=True, slots=True)
class Refusal:
    """`is_certain` refuses whatever the model says; else `reason` only explains a low score."""

    reason: str
    is_certain: bool


def why_not(found: Mapping[str, float]) -> Refusal:
    """The first contrast that a pair's features show, the surest first; "wording" when none has a name."""
    if found["told_apart"]:
        return Refusal(REASONS[int(found["told_apart"])], True)
    for reason, holds in CERTAIN:
        if holds(found):
            return Refusal(reason, True)
    return Refusal(next((reason for reason, holds in LIKELY if holds(found)), "wording"), False)


def is_same_wording(found: Mapping[str, float]) -> bool:
    """The same words, typos aside, in the same places: what a person calls the same question.

    In the training half 567 pairs that ask the same fulfilled this and 3 that do not, which exchange two words;
    `swapped_any` is there for those.
    """
    if found["told_apart"]:
        return False
    if found["same_key"] or found["same_asked"]:
        return True
    changed = any(found[name] for name in found if name.startswith("mark_"))
    return bool(
        found["same_words"]
        and found["same_places"]
        and not (found["symbols_off"] or found["negations_differ"] or found["moved"] or found["swapped_any"] or changed)
        and not found["persons_exchanged"]
        and found["bag_left.high"] <= found["typos"]
    )


def _alike(found: Mapping[str, float], share: float = 0.5) -> bool:
    """More than this share of the words is common to both, so that what differs was meant to differ."""
    return found["word_overlap"] > share


# Chosen on the training half, where traps outnumber pairs that ask the same: 117 to 17 for numbers, 746 to 27 for
# opposites, 65 to 3 for the same words in exchanged roles.
CERTAIN: tuple[tuple[str, Check], ...] = (
    ("number", lambda f: f["left_number.low"] > 0 and f["numbers_conflict"] > 0),
    ("number", lambda f: f["left_code.low"] > 0 or f["left_ordinal.low"] > 0),
    ("date", lambda f: f["left_date.low"] > 0),
    ("unit", lambda f: f["quantities_conflict"] > 0 or f["measures_conflict"] > 0),
    ("unit", lambda f: f["left_unit.low"] > 0 and f["units_conflict"] > 0 and _alike(f)),
    ("antonym", lambda f: f["opposites"] > 0 and _alike(f, 0.4)),
    ("negation", lambda f: f["left_negation.high"] > 0 and f["negations_differ"] > 0 and _alike(f, 0.55)),
    ("direction", lambda f: f["directions_swapped"] + f["directions_turned"] > 0 and _alike(f)),
    ("direction", lambda f: f["exchanged"] > 0 and not f["same_key"]),
    ("direction", lambda f: f["same_bag"] > 0 and f["roles_swapped"] + f["swap_of_names"] > 0 and not f["same_key"]),
    ("question", lambda f: f["heads_differ"] > 0 and _alike(f, 0.25)),
    ("task", lambda f: f["papers_differ"] > 0),
    ("wording", lambda f: f["symbols_off"] > 2 and f["symbols"] > 2 and f["common_run"] >= 0.75),
)
LIKELY: tuple[tuple[str, Check], ...] = (
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
