"""Why a pair is refused, as verdicts say it."""

from typing import Literal, get_args

Reason = Literal["", "number", "date", "unit", "direction", "entity", "attribute", "scope", "wording"]
REASONS: tuple[Reason, ...] = get_args(Reason)
