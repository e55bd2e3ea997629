"""What was looked at lately, in memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """A map by text, bounded by number and, where `weigh` is given, by weight; the least recently used go first. For
    several threads."""

    def __init__(self, size: int, *, weigh: Callable[[Value], int] = lambda _: 0, most: int = 0) -> None:
        """`most`: the weight of all values together. A heavier one is not kept."""
        self._size = size
        self._weigh, self._most = weigh, most
        self._weight = 0
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[Value, int]] = OrderedDict()

    def get(self, text: str) -> Value | None:
        with self._lock:
            found = self._entries.get(text)
            if found is None:
                return None
            self._entries.move_to_end(text)
            return found[0]

    def put(self, text: str, value: Value) -> None:
        weight = self._weigh(value)
        with self._lock:
            _, before = self._entries.pop(text, (None, 0))
            self._weight -= before
            if weight > self._most:
                return
            self._entries[text] = value, weight
            self._weight += weight
            while len(self._entries) > self._size or self._weight > self._most:
                _, (_, gone) = self._entries.popitem(last=False)
                self._weight -= gone
