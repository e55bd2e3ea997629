"""What those who run the stack can see of the cache, and purge."""

from dataclasses import asdict
from typing import Any, Protocol

from app.cache.exact import ExactCache


class SemanticAdmin(Protocol):
    """The semantic tier, as the admin routes see it."""

    async def stats(self) -> dict[str, Any]: ...

    async def purge(self, tenant: str | None) -> int: ...


class CacheAdmin:
    """Both tiers; None for one that is turned off."""

    def __init__(self, exact: ExactCache | None, semantic: SemanticAdmin | None, replica: str) -> None:
        """`replica`: the name of this ingress process, whose counters these are."""
        self._exact = exact
        self._semantic = semantic
        self._replica = replica

    async def stats(self) -> dict[str, Any]:
        """The exact tier's counters in this process, and the semantic tier's. Raises what that raises.

        The semantic tier proposes; what became of it only the processes know that serve: `served` is this one's.
        """
        semantic = await self._semantic.stats() if self._semantic else None
        if semantic is not None:
            semantic = {**semantic, "served": self._exact.served_by_meaning if self._exact else 0}
        return {
            "object": "cache.stats",
            "replica": self._replica,
            "exact": asdict(self._exact.counters) if self._exact else None,
            "semantic": semantic,
        }

    async def purge(self, tenant: str | None) -> dict[str, int]:
        """Forget all answers, or a tenant's; how many in each tier.

        Raises Unavailable when the store or the semantic tier cannot be told; the other one is purged nevertheless.
        """
        try:
            exact = await self._exact.purge(tenant) if self._exact else 0
        finally:
            semantic = await self._semantic.purge(tenant) if self._semantic else 0
        return {"exact": exact, "semantic": semantic}
