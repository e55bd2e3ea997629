"""The newest labels of each tenant, kept over restarts, so that what was learned from them is."""

import hashlib
import logging
from dataclasses import dataclass

import orjson
from valkey.asyncio import Valkey
from valkey.exceptions import ValkeyError

from app.attentive import attentive

logger = logging.getLogger(__name__)

KEPT = 2048
KEPT_S = 30 * 86_400
PREFIX = "sextant:semantic:labels"


@dataclass(frozen=True, slots=True)
class Label:
    """Whether an entry's answer was right at this score. `risk` is what was expected of a candidate that would have
    been served; None for the others."""

    entry_id: str
    score: float
    same: bool
    risk: float | None


class LabelLog:
    """A list for each tenant in Valkey. Without the store there is no memory, and nothing else is lost."""

    def __init__(self, client: Valkey | None, timeout_s: float = 0.05) -> None:
        self._client = client
        self._timeout_s = timeout_s

    async def add(self, tenant: str, label: Label) -> None:
        """Append a label; the oldest go."""
        if self._client is None:
            return
        row = orjson.dumps([label.entry_id, label.score, label.same, label.risk])
        try:
            async with attentive(self._timeout_s), self._client.pipeline(transaction=True) as pipe:
                pipe.rpush(_name(tenant), row)
                pipe.ltrim(_name(tenant), -KEPT, -1)
                pipe.expire(_name(tenant), KEPT_S)
                await pipe.execute()
        except (ValkeyError, OSError, TimeoutError) as error:
            logger.debug("semantic labels: %s", type(error).__name__)

    async def read(self, tenant: str) -> list[Label] | None:
        """The labels, the oldest first; None when the store does not answer. What is no label is left out."""
        if self._client is None:
            return []
        try:
            async with attentive(self._timeout_s):
                rows = await self._client.lrange(_name(tenant), 0, -1)  # type: ignore[misc]
        except (ValkeyError, OSError, TimeoutError) as error:
            logger.warning("semantic labels: %s", type(error).__name__)
            return None
        return [label for row in rows if (label := _label(row)) is not None]


def _label(row: bytes) -> Label | None:
    try:
        content = orjson.loads(row)
    except orjson.JSONDecodeError:
        return None
    match content:
        case [str(entry_id), int() | float() as score, bool(same), int() | float() | None as risk]:
            return Label(entry_id, float(score), same, None if risk is None else float(risk))
    return None


def tenant_digest(tenant: str) -> str:
    """What stands for a tenant in the names of keys: its own name may hold anything."""
    return hashlib.blake2b(tenant.encode(), digest_size=12).hexdigest()


def _name(tenant: str) -> str:
    return f"{PREFIX}:{tenant_digest(tenant)}"
