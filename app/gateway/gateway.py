"""What the routes work with, in one place."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.config import GatewayConfig
from app.gateway.health import ReadinessCheck
from app.gateway.keys import Keyring
from app.pipeline.embeddings import EmbeddingPipeline
from app.pipeline.flight import Caller, Flight
from app.pipeline.pipeline import Pipeline
from app.pipeline.ports import ModelPort
from app.telemetry.events import Listener, Timeline


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything behind the HTTP routes."""

    config: GatewayConfig
    keyring: Keyring
    pipeline: Pipeline
    embeddings: EmbeddingPipeline
    models: Mapping[str, ModelPort]
    listeners: Sequence[Listener]
    readiness: ReadinessCheck
    links: Mapping[str, str | None] = field(default_factory=dict)  # for the console

    def take_off(self, request_id: str, caller: Caller, operation: str, timeline: Timeline) -> Flight:
        """Begin a request; its deadline runs from here."""
        return Flight(
            request_id=request_id,
            caller=caller,
            operation=operation,
            deadline=asyncio.get_running_loop().time() + self.config.request_timeout_s,
            listeners=self.listeners,
            timeline=timeline,
        )
