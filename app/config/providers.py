"""Hosted models: providers that speak a known wire, and the models that they serve."""

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from app.config.money import PriceConfig
from app.config.settings import Count, Seconds, Settings

Dialect = Literal["openai", "azure", "anthropic", "litellm"]
Preset = Literal[
    "openai",
    "azure",
    "anthropic",
    "gemini",
    "mistral",
    "groq",
    "together",
    "openrouter",
    "ollama",
    "tgi",
    "vllm",
    "litellm",
]


class ProviderConfig(Settings):
    """One endpoint. A preset brings its address, dialect and the name of its key's variable."""

    preset: Preset | None = Field(None, description="A known provider; what is set beside it overrides it.")
    dialect: Dialect | None = Field(None, description="The wire it speaks; by default `openai`.")
    base_url: str | None = Field(
        None,
        pattern=r"^https?://",
        repr=False,
        description="Address up to and including the version, such as `https://host/v1`; no user and password in it.",
    )
    api_key_env: str | None = Field(
        None, pattern=r"^[A-Z][A-Z0-9_]*$", description="The environment variable that holds the key."
    )
    api_key_file: str | None = Field(None, description="A file that holds the key (relative: in `home`).")
    api_version: str | None = Field(None, description="Azure's `api-version`, or Anthropic's `anthropic-version`.")
    headers: dict[str, str] = Field(default_factory=dict, repr=False, description="Further headers; no secrets.")
    max_connections: Count = Field(256, description="Connections kept open to it by each ingress process.")
    http2: bool = Field(True, description="Offer HTTP/2 where the connection is encrypted.")
    connect_timeout_s: Seconds = Field(
        5, description="For a new connection, name look-up and TLS included; past this the provider is down."
    )
    ca_file: str | None = Field(
        None, description="Certificates to trust instead of the system's (PEM; relative: in `home`)."
    )
    prompt_caching: Literal["asked", "auto"] = Field(
        "asked",
        description="Anthropic's prompt cache: used where a client asks by `cache_control`, or (`auto`), where none "
        "does, for tools and system prompt. A write costs more than it saves if nobody asks again within 5 minutes.",
    )
    proxy_url: str | None = Field(
        None,
        pattern=r"^https?://[^@/]+/?$",
        repr=False,
        description="HTTP proxy on the way to it; the variables of the environment are not obeyed.",
    )

    @field_validator("base_url", "proxy_url", mode="before")
    @classmethod
    def _names_nobody(cls, url: object) -> object:
        """Before the pattern, whose refusal would tell the password."""
        if isinstance(url, str) and re.match(r"[^/]*//[^/?#]*@", url):
            raise ValueError("holds a user or a password; give the key by api_key_env or api_key_file")
        return url

    @model_validator(mode="after")
    def _has_address(self) -> Self:
        if self.preset is None and self.base_url is None:
            raise ValueError("needs a preset or a base_url")
        return self


class HostedModelConfig(Settings):
    """A model that a provider serves."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$", description="The name that clients use.")
    provider: str = Field(description="Which of `providers` serves it.")
    model: str | None = Field(None, description="Its name there (Azure: the deployment); by default `id`.")
    price: PriceConfig = Field(default_factory=PriceConfig, description="What it costs.")
    context_window: Count | None = Field(None, description="Tokens of prompt and answer together.")
    max_output_tokens: Count = Field(
        4096,
        description="Most tokens it generates; what a request without a limit gets, so that its cost is bounded.",
    )
    sampling: bool = Field(
        True,
        description="Whether it takes `temperature`, `top_p` and `top_k`; `false` drops them. The newest Claude models "
        "and OpenAI's reasoning models refuse them.",
    )
