"""The guard deployment: the rails that look at texts alone, in processes of their own, since they are CPU-bound."""

from collections.abc import Sequence

from app.config import StackConfig
from app.guard.build import build_engine, open_embedder
from app.guard.engine import Engine, Job
from app.guard.types import Examined
from deployments.threads import share_fairly

WARM_UP = "Warm up with John Smith, who can be reached at john@example.com."


class Guard:
    """Examines texts. See `app.guard`."""

    def __init__(self, config: StackConfig) -> None:
        self._engine = open_engine(config)

    async def examine(self, policy: str, jobs: Sequence[Job]) -> list[list[Examined]]:
        return await self._engine.examine(policy, jobs)

    async def ping(self) -> bool:
        return True


def open_engine(config: StackConfig) -> Engine:
    """An engine for a process. Raises ValueError for a configuration that cannot be."""
    # While a long text is examined beside them, short ones get the interpreter after 0.5 ms instead of 5: beside one of
    # 48,000 characters those of 150 take 7 ms (p50) and 30 (p95) on two cores.
    share_fairly()
    return build_engine(config.guard, open_embedder(config.path(config.embedder.directory), config.embedder.threads))
