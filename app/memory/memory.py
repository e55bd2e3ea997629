"""All of memory in one place, as the pipeline and the routes have it."""

from dataclasses import dataclass

from app.cache.background import Background
from app.memory.digest import Digest
from app.memory.erasure import ErasureRecords
from app.memory.facts import Facts
from app.memory.guard import MemoryGuard
from app.memory.service import ConversationService
from app.memory.summaries import SummaryRecords
from app.memory.sweeper import Sweeper
from app.memory.tags import Tags


@dataclass(frozen=True, slots=True)
class Memory:
    """One for each ingress process."""

    conversations: ConversationService
    summaries: SummaryRecords
    facts: Facts
    digest: Digest
    erasing: ErasureRecords
    guard: MemoryGuard
    tags: Tags
    sweeper: Sweeper
    background: Background
