"""Settles what dead processes have left behind."""

import logging
from collections.abc import Container

import orjson

from app.errors import Unavailable
from app.ledger.counters import Claim, Counters
from app.ledger.rows import RowWriter
from app.ledger.types import UsageRow

logger = logging.getLogger(__name__)

BATCH = 100


async def reap(counters: Counters, rows: RowWriter, living: Container[str]) -> int:
    """Bill and settle the reservations whose lease has run out. Returns how many.

    `living` are this process's own: claiming one renews its lease, and that is all. A row that its process wrote just
    before it died stands as it is; else a row `crashed` is written with the cost that was told last. Raises
    Unavailable: what was claimed by then is claimed again when this lease runs out.
    """
    reaped = 0
    while claimed := await counters.claim(BATCH):
        claims = [claim for claim in claimed if claim.id not in living]
        crashed = {claim.id: crashed_row(claim) for claim in claims}
        new = await rows.insert(list(crashed.values())) if crashed else set()
        for claim in claims:
            row = crashed[claim.id] if claim.id in new else await rows.history.row(claim.id)
            if row is None:
                raise Unavailable("A usage row has vanished.")
            await counters.settle(claim.id, row.cost_nano, row.prompt_tokens + row.completion_tokens)
        reaped += len(claims)
    if reaped:
        logger.warning("settled %d requests of processes that have died", reaped)
    return reaped


def crashed_row(claim: Claim) -> UsageRow:
    """What is known of a request whose process died: who asked, and what it had cost at the last heartbeat."""
    told = orjson.loads(claim.progress) if claim.progress else {}
    cost_nano = told.get("cost_nano", 0)
    if claim.held_nano is not None:
        cost_nano = min(cost_nano, claim.held_nano)
    return UsageRow(
        id=claim.id,
        at_ms=claim.at_ms,
        **orjson.loads(claim.who),
        model=claim.model or told.get("model", ""),
        provider=told.get("provider", ""),
        outcome="crashed",
        error="crashed",
        cache="bypass",
        prompt_tokens=told.get("prompt_tokens", 0),
        completion_tokens=told.get("completion_tokens", 0),
        cost_nano=cost_nano,
        estimated=True,
    )
