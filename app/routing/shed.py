"""Load shedding: what one process cannot work on is refused at once, batches first."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from app.errors import Overloaded
from app.routing.events import Listener, RequestShed, tell

RETRY_AFTER_S = 1.0


class Shedder:
    """Bounds the requests that a process works on. There is no queue: waiting would only make the rest late.

    `batch_share` of `limit` is all that batches may take, so that people's requests always find room.
    """

    def __init__(self, limit: int, batch_share: float, listeners: Sequence[Listener] = ()) -> None:
        self._limit = limit
        self._batch_limit = math.ceil(limit * batch_share)
        self._in_progress = 0
        self._batches = 0
        self._listeners = listeners
        self.shed = 0  # requests refused

    @contextmanager
    def admitted(self, *, is_batch: bool = False) -> Iterator[None]:
        """Hold a place. Raises Overloaded, with `retry_after_s`, where none is left."""
        if self._in_progress >= self._limit or (is_batch and self._batches >= self._batch_limit):
            self.shed += 1
            tell(self._listeners, RequestShed(is_batch))
            raise Overloaded("The gateway is as busy as it can be; try again.", retry_after_s=RETRY_AFTER_S)
        self._in_progress += 1
        self._batches += is_batch
        try:
            yield
        finally:
            self._in_progress -= 1
            self._batches -= is_batch
