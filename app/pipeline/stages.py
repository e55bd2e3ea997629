"""What the pipeline is made of, and what it gives."""

from dataclasses import dataclass
from typing import Any

from app.cache.exact import ExactCache
from app.cache.lease import Leases
from app.guard.screening import Screening
from app.memory.memory import Memory
from app.memory.ports import Ask
from app.pipeline.dispatching import Dispatching
from app.pipeline.ports import EmbedPort, SearchPort, SemanticPort, VersionPort
from app.pipeline.primed import Primed
from app.pipeline.route import Router
from app.prompts import PromptBook


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: whole (`body`) or streamed (`chunks`; close them in any case)."""

    body: dict[str, Any] | None = None
    chunks: Primed | None = None


@dataclass(frozen=True, slots=True)
class Stages:
    """What the pipeline is made of. `guard`, `cache`, `semantic` and `memory` are None where they are turned off,
    `leases` where there is only one replica."""

    guard: Screening | None
    cache: ExactCache | None
    embed: EmbedPort
    search: SearchPort
    versions: VersionPort
    router: Router
    dispatching: Dispatching
    prompts: PromptBook
    semantic: SemanticPort | None = None
    leases: Leases | None = None
    memory: Memory | None = None
    ask: Ask | None = None  # for rewriting questions
