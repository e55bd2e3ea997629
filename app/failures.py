"""Failures of something that is asked often: each counted, few of them logged."""

from logging import Logger


class Failures:
    """Logged is the first one, and then once per power of two: what stays down must not flood the log."""

    def __init__(self, logger: Logger, of: str) -> None:
        self.count = 0
        self._logger = logger
        self._of = of

    def note(self, error: Exception) -> None:
        """One more. Of the error only its type is logged: its words may be a user's."""
        self.count += 1
        if self.count & (self.count - 1) == 0:
            self._logger.warning("%s: %s (%d failures so far)", self._of, type(error).__name__, self.count)
