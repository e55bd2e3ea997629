"""The guard deployment: Presidio in processes of its own, since it is CPU-bound.

One process on a shared 2-core machine, `Guard.screen` called without Serve, one text a call, median of 40 to 600
calls and best of three runs; in brackets with one `AnalyzerEngine.analyze` for each text, spaCy as it is:

    characters                                   35           150         1,500
    one caller, ms                        0.4 (2.3)     1.6 (7.0)     13.2 (42)
    16 callers, calls/s                 8,500 (480)     820 (190)       78 (34)

The long text has 21 numbers, and libphonenumber, asked for ten regions, takes 8 ms of it; without any: 4.5 ms.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from app.config import GuardConfig
from app.guard.batching import Batcher
from app.guard.types import Screened

if TYPE_CHECKING:
    from app.guard.masking import Masker


class Guard:
    """Screens texts. See `app.guard.masking`."""

    def __init__(self, config: GuardConfig) -> None:
        # While a long text is screened beside them, short ones get the interpreter after 0.5 ms instead of 5:
        # their 95th percentile beside one of 48,000 characters is 6 ms instead of 37.
        sys.setswitchinterval(0.0005)
        self._batcher = Batcher(build_masker(config).screen_all)

    async def screen(self, texts: Sequence[str]) -> Screened:
        return await self._batcher.screen(texts)

    async def ping(self) -> bool:
        return True


def build_masker(config: GuardConfig) -> "Masker":
    """A warm masker, in a process that does not need torch. Raises ValueError for a configuration that cannot be."""
    if not config.language_model.endswith("trf"):
        # Presidio and spaCy import these where they find them. Without them the guard starts in 1 s
        # instead of 5 and takes 180 MB instead of 580.
        sys.modules.update({"torch": None, "transformers": None})  # type: ignore[dict-item]
    # Imported here: building the graph need not wait for Presidio.
    from app.guard.masking import Masker

    # The guard's matrices are too small to share: BLAS's threads would only wait for each other.
    threadpool_limits(limits=1, user_api="blas")
    masker = Masker(config)
    masker.screen(["Warm up with John Smith, who can be reached at john@example.com."])
    return masker
