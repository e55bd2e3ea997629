"""Memory, put together out of what it needs from outside."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncEngine

from app.cache.background import Background
from app.config import StackConfig
from app.guard.screening import Screening
from app.memory.conversations import ConversationRecords
from app.memory.digest import Digest
from app.memory.erasure import ErasureRecords
from app.memory.fact_records import FactRecords
from app.memory.facts import Facts
from app.memory.guard import MemoryGuard
from app.memory.memory import Memory
from app.memory.ports import Ask, Counter, Embeds
from app.memory.service import ConversationService
from app.memory.summaries import SummaryRecords
from app.memory.sweeper import Erases, Leased, Sweeper
from app.memory.tags import Tags
from app.memory.vault import VaultCipher
from app.pipeline.route import Router
from app.routing.catalogue import Catalogue


def build_memory(
    config: StackConfig,
    hash_key: bytes,
    *,
    engine: AsyncEngine,
    screening: Screening | None,
    identities: Mapping[str, str],
    embeds: Embeds,
    ask: Ask,
    count: Counter,
    traces: Erases | None,
    lease: Leased,
    background: Background,
) -> Memory:
    """`identities`: what tells each policy of the guard from what it was before, by name."""
    settings, tags, cipher = config.memory, Tags(hash_key), VaultCipher(hash_key)
    guard = MemoryGuard(config.guard, screening, identities)
    records, summaries = ConversationRecords(engine, tags, settings.retention_days), SummaryRecords(engine)
    facts = FactRecords(engine, settings.facts.max_per_user, settings.retention_days)
    erasing = ErasureRecords(engine, tags)
    router = Router(config, Catalogue(config))
    return Memory(
        conversations=ConversationService(settings, records, erasing, guard, cipher),
        summaries=summaries,
        facts=Facts(settings.facts, facts, guard, embeds, ask, cipher, tags),
        digest=Digest(
            settings, records, summaries, guard, embeds, ask, count, lambda name: router.route(name).reachable
        ),
        erasing=erasing,
        guard=guard,
        tags=tags,
        sweeper=Sweeper(settings, erasing, traces, lease),
        background=background,
    )
