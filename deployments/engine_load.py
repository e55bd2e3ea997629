"""What vLLM's scheduler last said of itself, kept where the model deployment can read it.

A vLLM stat logger (`StatLoggerBase`), appended to the engine's own. It sees the same numbers as vLLM's
Prometheus metrics, without the delay of their export.
"""

from dataclasses import dataclass
from typing import Any

from vllm.v1.metrics.loggers import StatLoggerBase


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """`vllm:num_requests_running`, `vllm:num_requests_waiting` and `vllm:kv_cache_usage_perc`."""

    running: int = 0
    waiting: int = 0
    kv_cache_usage: float = 0.0


class LoadLogger(StatLoggerBase):  # type: ignore[misc]
    """Keeps the latest scheduler statistics."""

    def __init__(self, vllm_config: Any = None, engine_index: int = 0) -> None:
        self.load = EngineLoad()

    def record(self, scheduler_stats: Any, *_: Any, **__: Any) -> None:
        if scheduler_stats is not None:
            self.load = EngineLoad(
                running=scheduler_stats.num_running_reqs,
                waiting=scheduler_stats.num_waiting_reqs,
                kv_cache_usage=scheduler_stats.kv_cache_usage,
            )

    def log_engine_initialized(self) -> None:
        """Nothing to tell."""
