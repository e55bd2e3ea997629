"""From a request to its desk at the cache: what the answer would depend on, as far as it is known by now."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from app.accounts.types import Caller
from app.cache.desk import CacheDesk
from app.cache.exact import ExactCache
from app.cache.key import Provenance
from app.cache.policy import may_use
from app.cache.use import CacheUse
from app.config import StackConfig
from app.pipeline.ports import VersionPort
from app.pipeline.route import Route
from app.prompts import Prompt
from app.routing.planner import Planner
from app.wire.chat import ChatRequest
from app.wire.completions import CompletionRequest


@dataclass(frozen=True, slots=True)
class Identity:
    """What cache keys need to know about the stack itself."""

    hash_key: bytes
    guard_policies: Mapping[str, str]  # versions by name
    model_revisions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Prompts:
    """The versions of the prompts that one request uses."""

    system: Prompt | None
    question: Prompt | None

    @property
    def identities(self) -> tuple[str, ...]:
        return tuple(prompt.identity for prompt in (self.system, self.question) if prompt)


class Desks:
    """Opens them."""

    def __init__(
        self,
        config: StackConfig,
        cache: ExactCache | None,
        identity: Identity,
        versions: VersionPort,
        planner: Planner,
    ) -> None:
        self._config = config
        self._cache = cache
        self._identity = identity
        self._versions = versions
        self._planner = planner

    async def open(
        self,
        request: ChatRequest | CompletionRequest,
        body: Mapping[str, Any],
        route: Route,
        prompts: Prompts,
        caller: Caller,
        use: CacheUse,
        policy: str,
    ) -> CacheDesk:
        """The desk of a request; without a cache where its answer may be neither found nor kept."""
        cache = self._cache if may_use(request, use) else None
        version: str | None = None
        if cache is not None and route.retrieval:
            version = await self._versions.knowledge_base(caller.tenant)
        answering = self._planner.answering(route.requested, caller, request.sextant.routing)
        provenance = Provenance(
            tenant=caller.tenant,
            model=" ".join(target.engine_model for target in answering),
            model_revision=" ".join(self._identity.model_revisions[target.id] for target in answering),
            guard_policy=self._identity.guard_policies[policy],
            masked=False,
            prompts=prompts.identities,
            knowledge_base=version,
            retrieval=self._retrieval(route),
            groups=caller.groups if route.retrieval else (),
        )
        # While documents change nobody knows what an answer would be drawn from, until its passages are found.
        is_known = route.retrieval is None or version is not None
        ids = frozenset(target.id for target in answering)
        return CacheDesk(cache, provenance, self._identity.hash_key, use, body, is_known, answering=ids)

    async def is_still_known(self, desk: CacheDesk) -> bool:
        """Whether the documents are still those that the desk was opened for."""
        if desk.cache is None or not desk.is_known:
            return desk.is_known
        provenance = desk.provenance
        return await self._versions.knowledge_base(provenance.tenant) == provenance.knowledge_base

    def _retrieval(self, route: Route) -> tuple[str | float, ...]:
        if route.retrieval is None:
            return ()
        settings = self._config.retrieval
        # All that may decide which passages are found, and what becomes of them.
        search = settings.model_dump(mode="json", exclude={"url", "collection", "timeout_ms"})
        return (repr(route.retrieval), orjson.dumps(search).decode(), self._config.embedder.id)
