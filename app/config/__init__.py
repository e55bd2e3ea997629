"""Configuration: validated once, frozen, handed down. Nothing else reads the environment."""

from app.config.errors import ConfigError
from app.config.models import AliasConfig, ModelConfig, ReplicasConfig
from app.config.secrets import Secrets, ensure_secrets, load_secrets
from app.config.stack import StackConfig, default_home
from app.config.stages import (
    CacheConfig,
    EmbedderConfig,
    GatewayConfig,
    GuardConfig,
    ObservabilityConfig,
    PromptsConfig,
    RetrievalConfig,
)

__all__ = [
    "AliasConfig",
    "CacheConfig",
    "ConfigError",
    "EmbedderConfig",
    "GatewayConfig",
    "GuardConfig",
    "ModelConfig",
    "ObservabilityConfig",
    "PromptsConfig",
    "ReplicasConfig",
    "RetrievalConfig",
    "Secrets",
    "StackConfig",
    "default_home",
    "ensure_secrets",
    "load_secrets",
]
