"""The guard deployment: Presidio in processes of its own, since it is CPU-bound."""

import asyncio
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from app.config import GuardConfig
from app.guard.types import Screened


class Guard:
    """Screens texts. See `app.guard.masking`."""

    def __init__(self, config: GuardConfig) -> None:
        if not config.language_model.endswith("trf"):
            # Presidio and spaCy import these where they find them. Without them the guard starts in 1 s
            # instead of 5 and takes 180 MB instead of 580.
            sys.modules.update({"torch": None, "transformers": None})  # type: ignore[dict-item]
        # Imported here: building the graph need not wait for Presidio.
        from app.guard.masking import Masker

        self._masker = Masker(config)
        # Few threads, since they share one interpreter lock. What waits here and is given up by its caller
        # never runs, so a few large requests cannot keep the guard busy for nobody.
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="guard")
        self._masker.screen(["Warm up with John Smith, who can be reached at john@example.com."])

    async def screen(self, texts: Sequence[str]) -> Screened:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._masker.screen, texts)

    async def ping(self) -> bool:
        return True
