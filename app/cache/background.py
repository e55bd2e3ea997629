"""Work that nobody waits for: bounded in number, and never an error for anybody."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from app.errors import SextantError

logger = logging.getLogger(__name__)


class Background:
    """Runs coroutines beside requests. Past `limit` at a time more are dropped, and counted."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tasks: set[asyncio.Task[Any]] = set()
        self.dropped = 0

    def start(self, work: Coroutine[Any, Any, Any]) -> bool:
        """Begin, if there is room. False: there was none."""
        if len(self._tasks) >= self._limit:
            self.dropped += 1
            work.close()
            return False
        task = asyncio.create_task(self._run(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _run(self, work: Coroutine[Any, Any, Any]) -> None:
        try:
            await work
        except SextantError as error:
            logger.info("work in the background was given up: %s", error.code)
        except Exception as error:
            # The words of an exception may be a user's.
            logger.error("work in the background failed: %s", type(error).__name__)

    async def done(self) -> None:
        """Return once nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def aclose(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await self.done()
