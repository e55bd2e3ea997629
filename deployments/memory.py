"""Memory as an ingress process has it, put together."""

from collections.abc import Mapping, Sequence

from app.cache.background import Background
from app.cache.store import SharedStore
from app.config import Secrets, StackConfig
from app.memory.build import build_memory
from app.memory.memory import Memory
from app.memory.traces import TraceEraser
from app.pipeline.asides import Asides, Tokenizers
from app.pipeline.desks import Identity
from app.pipeline.ports import ModelPort
from app.pipeline.stages import Stages
from app.telemetry.events import Listener
from deployments.accounting import Accounting

MAX_IN_BACKGROUND = 32


def open_memory(
    config: StackConfig,
    secrets: Secrets,
    accounting: Accounting,
    shared: SharedStore,
    stages: Stages,
    identity: Identity,
    ports: Mapping[str, ModelPort],
    listeners: Sequence[Listener],
) -> Memory | None:
    """None where it is turned off."""
    if not config.memory.enabled:
        return None
    url = config.observability.mlflow_url
    return build_memory(
        config,
        secrets.hash_key,
        engine=accounting.engine,
        screening=stages.guard,
        identities=identity.guard_policies,
        embeds=stages.embed,
        ask=Asides(stages.router, stages.dispatching, accounting.ledger, listeners),
        count=Tokenizers(ports),
        traces=TraceEraser(url, config.observability.experiment) if url else None,
        lease=shared,
        background=Background(MAX_IN_BACKGROUND),
    )
