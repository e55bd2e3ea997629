"""`StackConfig`: everything the stack can be told, in one frozen object.

The files that `serve run` takes (`deployments/laptop.yaml`, `deployments/gpu.yaml`) carry it as
`args`. It is validated once, at start, and handed down.
"""

import os
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, model_validator

from app.config.accounts import AccountsConfig, LedgerConfig
from app.config.batches import BatchesConfig
from app.config.cache import CacheConfig
from app.config.errors import explain
from app.config.guard import GuardConfig
from app.config.ingest import IngestConfig
from app.config.memory import MemoryConfig
from app.config.models import ModelConfig
from app.config.policy import PLACES, SafetyModelSettings
from app.config.providers import HostedModelConfig, ProviderConfig
from app.config.routing import AliasConfig, RoutingConfig
from app.config.settings import Settings
from app.config.stages import (
    EmbedderConfig,
    GatewayConfig,
    ObservabilityConfig,
    PromptsConfig,
    RetrievalConfig,
)

QDRANT_PORT = 6333  # of an address without one


def default_home() -> Path:
    """`SEXTANT_HOME`, or `.sextant` in the working directory."""
    return Path(os.environ.get("SEXTANT_HOME") or ".sextant").absolute()


class StackConfig(Settings):
    """The whole stack. Each section is described in docs/configuration.md."""

    home: Path = Field(
        default_factory=default_home,
        description="State directory: models, stores, secrets. Default: SEXTANT_HOME, else ./.sextant.",
    )
    models: tuple[ModelConfig, ...] = Field((), description="The models that are served here.")
    providers: dict[str, ProviderConfig] = Field(default_factory=dict, description="Endpoints of hosted models.")
    hosted: tuple[HostedModelConfig, ...] = Field((), description="The models that providers serve.")
    aliases: dict[str, AliasConfig] = Field(
        default_factory=dict, description="Further names for them, with routing, retrieval and prompt set."
    )
    routing: RoutingConfig = Field(default_factory=RoutingConfig, description="Retries, timeouts, circuit breakers.")
    accounts: AccountsConfig = Field(default_factory=AccountsConfig, description="The database of keys and usage.")
    ledger: LedgerConfig = Field(default_factory=LedgerConfig, description="Limits and budgets.")
    batches: BatchesConfig = Field(default_factory=BatchesConfig, description="Files and batches.")
    gateway: GatewayConfig = Field(default_factory=GatewayConfig, description="The HTTP front.")
    guard: GuardConfig = Field(default_factory=GuardConfig, description="The rails.")
    cache: CacheConfig = Field(default_factory=CacheConfig, description="The cache.")
    embedder: EmbedderConfig = Field(default_factory=EmbedderConfig, description="The embedding model.")
    retrieval: RetrievalConfig = Field(default_factory=RetrievalConfig, description="The knowledge base.")
    ingest: IngestConfig = Field(default_factory=IngestConfig, description="The ingestion job.")
    memory: MemoryConfig = Field(default_factory=MemoryConfig, description="Conversations and facts about users.")
    prompts: PromptsConfig = Field(default_factory=PromptsConfig, description="System prompts.")
    observability: ObservabilityConfig = Field(
        default_factory=ObservabilityConfig, description="Traces and where they go."
    )

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """As pydantic's, but a bad setting raises `ConfigError` with its path and remedy.

        Serve validates `args` through this method, so `serve run` shows the same sentences.
        """
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise explain(error, cls) from None

    @model_validator(mode="after")
    def _names_resolve(self) -> Self:
        ids = self.model_ids
        if not ids:
            raise ValueError("models: names no model, and neither does hosted; give at least one")
        taken = [*ids, *self.aliases, self.embedder.id]
        for name in taken:
            if taken.count(name) > 1:
                raise ValueError(f"{name!r} names two things among models, aliases and embedder; rename one")
        for alias, settings in self.aliases.items():
            if settings.guard is not None:
                self.guard.check_named(settings.guard, f"aliases.{alias}.guard")
            for target in sorted(settings.mentioned):
                if target.partition(":")[0] not in ids:
                    raise ValueError(f"aliases.{alias}: {target!r} is no model; known: {', '.join(ids)}")
        for hosted in self.hosted:
            if hosted.provider not in self.providers:
                known = ", ".join(self.providers) or "none"
                raise ValueError(f"hosted {hosted.id}: {hosted.provider!r} is no provider; known: {known}")
        return self

    @model_validator(mode="after")
    def _judges_resolve(self) -> Self:
        agreement = self.cache.semantic.agreement
        if agreement.method == "model" and agreement.model not in self.model_ids:
            raise ValueError(f"cache.semantic.agreement.model: name one of {', '.join(self.model_ids)}")
        return self

    @model_validator(mode="after")
    def _safety_models_resolve(self) -> Self:
        ids = self.model_ids
        for name, policy in self.guard.named.items():
            for place in PLACES:
                for rail in policy.at(place):
                    if isinstance(rail, SafetyModelSettings) and rail.model not in ids:
                        raise ValueError(
                            f"guard: the policy {name!r} asks {rail.model!r} at {place}, which is no model; "
                            f"known: {', '.join(ids)}"
                        )
        return self

    @model_validator(mode="after")
    def _asked_models_resolve(self) -> Self:
        known = [*self.model_ids, *self.aliases]
        asked = {
            "memory.summary.model": self.memory.summary.model,
            "memory.facts.model": self.memory.facts.model,
            "retrieval.rewrite.model": self.retrieval.rewrite.model,
        }
        for path, name in asked.items():
            if name is not None and name.partition(":")[0] not in known:
                raise ValueError(f"{path}: {name!r} is no model or alias; known: {', '.join(known)}")
        return self

    @model_validator(mode="after")
    def _directories_are_written_as_such(self) -> Self:
        for index, model in enumerate(self.models):
            # Else the hub would be asked for it, and might even have something of that name.
            # (`Path.is_dir` raises where others may not look.)
            if not model.is_directory and os.path.isdir(self.path(model.source)):  # noqa: PTH112 (see above)
                raise ValueError(f"models[{index}].source: write './{model.source}' for the directory in home")
        return self

    @model_validator(mode="after")
    def _collections_differ(self) -> Self:
        semantic = self.cache.semantic
        if not self.has_semantic_cache or semantic.collection not in self.knowledge_collections:
            return self
        if _is_one_server((semantic.url, semantic.grpc_port), (self.retrieval.url, self.retrieval.grpc_port)):
            raise ValueError(
                f"cache.semantic.collection: the knowledge base has {semantic.collection!r} in the same place, and "
                "purging the cache would delete documents; choose another name"
            )
        return self

    @property
    def has_semantic_cache(self) -> bool:
        """Whether questions are compared by meaning."""
        return self.cache.enabled and self.cache.semantic.enabled

    @property
    def model_ids(self) -> list[str]:
        """Everything that generates text: served here, then hosted."""
        return [*(model.id for model in self.models), *(model.id for model in self.hosted)]

    @property
    def has_embedded_valkey(self) -> bool:
        """Whether the application runs a Valkey of its own, for the cache, the ledger or both."""
        return self.cache.url is None

    @property
    def knowledge_collections(self) -> tuple[str, str]:
        """What the knowledge base has in Qdrant: chunks, and on a server the tenants' versions."""
        return self.retrieval.collection, f"{self.retrieval.collection}-versions"

    def path(self, relative: str) -> Path:
        """A path of the configuration; relative ones lie in `home`."""
        return self.home / relative

    @property
    def cache_judge(self) -> Path | None:
        """The file of the semantic cache's judge; None for the shipped one."""
        return None if self.cache.semantic.judge is None else self.path(self.cache.semantic.judge)

    def checkpoint(self, model: ModelConfig) -> Path | None:
        """The directory of a model's weights, absolute, be it on this machine or not; None for a hub id."""
        return self.path(str(Path(model.source).expanduser())).absolute() if model.is_directory else None

    def model(self, model_id: str) -> ModelConfig:
        """The model of that id. Raises KeyError."""
        return next(model for model in self.models if model.id == model_id)


def _is_one_server(one: tuple[str | None, int], other: tuple[str | None, int]) -> bool:
    """Whether two addresses of Qdrant, URL and gRPC port, lead to the same place. Without a URL it is in `home`."""
    if one[0] is None or other[0] is None:
        return one[0] == other[0]
    (host, port), (other_host, other_port) = (
        (address.hostname, address.port or QDRANT_PORT) for address in (urlsplit(one[0]), urlsplit(other[0]))
    )
    return host == other_host and (port == other_port or one[1] == other[1])
