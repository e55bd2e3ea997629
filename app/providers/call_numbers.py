"""Streamed tool calls, numbered as clients put them together: by `index`, one number for each call of a choice.

Gemini's endpoint leaves `index` out, and some servers say 0 for every call; a client would merge those into one.
"""

from typing import Any


class CallNumbers:
    """The numbers of one choice's calls."""

    def __init__(self) -> None:
        # By the provider's index and the call's id, either of them None: the last call of that index, id, or at all.
        self._known: dict[tuple[int | None, str | None], int] = {}

    def set(self, calls: list[dict[str, Any]]) -> None:
        """Give each piece of a call its number, in place."""
        for call in calls:
            call["index"] = self._number(call)

    def _number(self, call: dict[str, Any]) -> int:
        told, identifier = call.get("index"), call.get("id") or None
        number = self._known.get((told, identifier))
        if number is None and not (call.get("function") or {}).get("name"):
            # Some give each piece an id of its own; a call's first piece names its function.
            number = self._known.get((told, None))
        if number is None:
            number = self._free(told)
        for key in ((told, identifier), (told, None), (None, identifier), (None, None)):
            self._known[key] = number
        return number

    def _free(self, told: int | None) -> int:
        taken = set(self._known.values())
        return told if told is not None and told not in taken else max(taken, default=-1) + 1
