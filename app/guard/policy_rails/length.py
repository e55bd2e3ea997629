"""Length: one hit for what is over."""

from collections.abc import Sequence

from app.config.policy import LengthSettings
from app.guard.policy_rails.spans import version_of
from app.guard.types import Hit


class LengthRail:
    """Counts characters (code points)."""

    def __init__(self, settings: LengthSettings) -> None:
        self.version = version_of(settings, 1)
        self._most = settings.max_characters

    def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
        """Rule `too_long`, score 1, over what is too much."""
        return [[Hit("too_long", 1.0, self._most, len(text))] if len(text) > self._most else [] for text in texts]
