"""`StackConfig`: everything the stack can be told, in one frozen object.

The files that `serve run` takes (`deployments/laptop.yaml`, `deployments/gpu.yaml`) carry it as
`args`. It is validated once, at start, and handed down.
"""

import os
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from app.config.errors import explain
from app.config.models import AliasConfig, ModelConfig
from app.config.settings import Settings
from app.config.stages import (
    CacheConfig,
    EmbedderConfig,
    GatewayConfig,
    GuardConfig,
    ObservabilityConfig,
    PromptsConfig,
    RetrievalConfig,
)


def default_home() -> Path:
    """`SEXTANT_HOME`, or `.sextant` in the working directory."""
    return Path(os.environ.get("SEXTANT_HOME") or ".sextant").absolute()


class StackConfig(Settings):
    """The whole stack. Each section is described in docs/configuration.md."""

    home: Path = Field(
        default_factory=default_home,
        description="State directory: models, stores, secrets. Default: SEXTANT_HOME, else ./.sextant.",
    )
    models: tuple[ModelConfig, ...] = Field(min_length=1, description="The models that are served.")
    aliases: dict[str, AliasConfig] = Field(
        default_factory=dict, description="Further names for them, with retrieval and prompt set."
    )
    gateway: GatewayConfig = Field(default_factory=GatewayConfig, description="The HTTP front.")
    guard: GuardConfig = Field(default_factory=GuardConfig, description="The input rail.")
    cache: CacheConfig = Field(default_factory=CacheConfig, description="The exact cache.")
    embedder: EmbedderConfig = Field(default_factory=EmbedderConfig, description="The embedding model.")
    retrieval: RetrievalConfig = Field(default_factory=RetrievalConfig, description="The knowledge base.")
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
        ids = [model.id for model in self.models]
        taken = [*ids, *self.aliases, self.embedder.id]
        for name in taken:
            if taken.count(name) > 1:
                raise ValueError(f"{name!r} names two things among models, aliases and embedder; rename one")
        for alias, target in self.aliases.items():
            if target.model not in ids:
                raise ValueError(f"aliases.{alias}.model: {target.model!r} is no model; known: {', '.join(ids)}")
        return self

    @model_validator(mode="after")
    def _embedded_stores_have_one_ingress(self) -> Self:
        if self.gateway.replicas > 1 and self.cache.enabled and self.cache.url is None:
            raise ValueError(
                "gateway.replicas: several ingress replicas cannot share the Valkey inside the application; "
                "set cache.url to a server, or gateway.replicas to 1"
            )
        return self

    def path(self, relative: str) -> Path:
        """A path of the configuration; relative ones lie in `home`."""
        return self.home / relative

    def checkpoint(self, model: ModelConfig) -> Path | None:
        """The directory of a model's weights; None for a hub id."""
        directory = self.path(model.source)
        return directory if directory.is_dir() else None

    def model(self, model_id: str) -> ModelConfig:
        """The model of that id. Raises KeyError."""
        return next(model for model in self.models if model.id == model_id)
