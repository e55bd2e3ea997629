"""What the judge says of a pair, and why."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """`score`: calibrated probability, 0 to 1, that the stored answer to one question answers the other as well.

    `reason` is empty above the threshold; below it names the check that refuses: "negation", "number", "date",
    "unit", "entity", "antonym", "direction", "question", "task", "scope", "condition" or "wording".
    """

    score: float
    reason: str = ""
    is_refused: bool = False  # by a check that is certain: no evidence may overrule it
