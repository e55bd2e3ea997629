"""Configuration: validated once, frozen, handed down. Nothing else reads the environment."""

from app.config.accounts import AccountsConfig, LedgerConfig
from app.config.cache import CacheConfig, SemanticConfig
from app.config.errors import ConfigError
from app.config.guard import GuardConfig
from app.config.memory import MemoryConfig
from app.config.models import ModelConfig, ReplicasConfig
from app.config.money import PriceConfig
from app.config.policy import Policy
from app.config.providers import HostedModelConfig, ProviderConfig
from app.config.routing import AliasConfig, RoutingConfig
from app.config.secrets import Secrets, ensure_secrets, load_api_key, load_secrets
from app.config.stack import StackConfig, default_home
from app.config.stages import (
    EmbedderConfig,
    GatewayConfig,
    ObservabilityConfig,
    PromptsConfig,
    RetrievalConfig,
)

__all__ = [
    "AccountsConfig",
    "AliasConfig",
    "CacheConfig",
    "ConfigError",
    "EmbedderConfig",
    "GatewayConfig",
    "GuardConfig",
    "HostedModelConfig",
    "LedgerConfig",
    "MemoryConfig",
    "ModelConfig",
    "ObservabilityConfig",
    "Policy",
    "PriceConfig",
    "PromptsConfig",
    "ProviderConfig",
    "ReplicasConfig",
    "RetrievalConfig",
    "RoutingConfig",
    "Secrets",
    "SemanticConfig",
    "StackConfig",
    "default_home",
    "ensure_secrets",
    "load_api_key",
    "load_secrets",
]
