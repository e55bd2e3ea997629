"""The guard deployment: Presidio in processes of its own, since it is CPU-bound."""

import asyncio
from collections.abc import Sequence

from ray import serve

from app.config import GuardConfig
from app.guard.masking import Masker
from app.guard.types import Screened


@serve.deployment(name="Guard", ray_actor_options={"num_cpus": 0.5}, max_ongoing_requests=64)
class Guard:
    """Screens texts. See `app.guard.masking`."""

    def __init__(self, config: GuardConfig) -> None:
        self._masker = Masker(config)
        self._masker.screen(["Warm up with John Smith, who can be reached at john@example.com."])

    async def screen(self, texts: Sequence[str]) -> Screened:
        return await asyncio.to_thread(self._masker.screen, texts)

    async def ping(self) -> bool:
        return True
