"""From configuration to ports: one upstream for each provider, one port for each hosted model."""

import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlencode, urlsplit

from app.config.errors import ConfigError
from app.config.providers import HostedModelConfig, ProviderConfig
from app.pipeline.ports import ModelPort, Task
from app.providers.anthropic_port import AnthropicPort
from app.providers.hosted import Health
from app.providers.http1 import Http1Transport
from app.providers.http2 import Http2Transport
from app.providers.key import ProviderKey, read_key
from app.providers.litellm_port import LiteLLMPort, load_sdk
from app.providers.openai_port import OpenAIPort, UrlFor
from app.providers.presets import PRESETS, UNKNOWN, Facts
from app.providers.transport import Transport
from app.providers.upstream import Upstream

ANTHROPIC_VERSION = "2023-06-01"
_PATHS: Mapping[Task, str] = {"chat": "/chat/completions", "completions": "/completions"}


class HostedModels(Protocol):
    """The part of `StackConfig` that this needs."""

    @property
    def providers(self) -> dict[str, ProviderConfig]: ...

    @property
    def hosted(self) -> tuple[HostedModelConfig, ...]: ...


@dataclass(frozen=True)
class ProviderSet:
    """The ports by hosted model's id, and what they hold open."""

    models: dict[str, ModelPort]
    upstreams: Sequence[Upstream]

    async def aclose(self) -> None:
        """Close every connection."""
        for upstream in self.upstreams:
            await upstream.aclose()


def build_providers(config: HostedModels, home: Path, environment: Mapping[str, str] = os.environ) -> ProviderSet:
    """Make the ports of all hosted models. Nothing is connected yet.

    Raises ConfigError, with all problems at once: a key that is missing, an address that is.
    """
    used = {model.provider for model in config.hosted}
    providers: dict[str, _Provider] = {}
    problems: list[str] = []
    for name in sorted(used):
        try:
            providers[name] = _Provider.of(name, config.providers[name], home, environment)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    models = {model.id: providers[model.provider].port(model) for model in config.hosted}
    return ProviderSet(models, [provider.upstream for provider in providers.values() if provider.upstream])


@dataclass(frozen=True)
class _Provider:
    """One provider, ready to make ports."""

    config: ProviderConfig
    facts: Facts
    base_url: str
    key: ProviderKey | None
    upstream: Upstream | None  # None: LiteLLM keeps its own connections
    health: Health

    @classmethod
    def of(cls, name: str, config: ProviderConfig, home: Path, environment: Mapping[str, str]) -> "_Provider":
        facts = PRESETS[config.preset] if config.preset else UNKNOWN
        dialect = config.dialect or facts.dialect
        key = read_key(name, config, facts.key_variable, home, environment)
        base_url = (config.base_url or facts.base_url or "").rstrip("/")
        if dialect == "litellm":
            load_sdk()
            return cls(config, facts, base_url, key, None, Health())
        if not base_url:
            raise ConfigError([f"providers.{name}.base_url: missing; this provider's address differs by account"])
        if dialect == "azure" and not _is_azure_v1(base_url) and not config.api_version:
            raise ConfigError(
                [f"providers.{name}.api_version: missing; or let base_url end in /openai/v1, which needs none"]
            )
        headers = _headers(dialect, config, key)
        upstream = Upstream(_transport(name, config, base_url, home), headers, facts.request_id_header, key)
        return cls(config, facts, base_url, key, upstream, upstream.health)

    def port(self, model: HostedModelConfig) -> ModelPort:
        dialect = self.config.dialect or self.facts.dialect
        most, sampling = model.max_output_tokens, model.sampling
        if self.upstream is None:
            return LiteLLMPort(load_sdk(), self.health, self.key, self.base_url or None, most, sampling=sampling)
        if dialect == "anthropic":
            caches_unasked = self.config.prompt_caching == "auto"
            url = f"{self.base_url}/messages"
            return AnthropicPort(self.upstream, url, most, sampling=sampling, caches_unasked=caches_unasked)
        url_for = _azure_url(self.base_url, self.config.api_version) if dialect == "azure" else _url(self.base_url)
        return OpenAIPort(self.upstream, self.facts, url_for, most, sampling=sampling)


def _url(base_url: str) -> UrlFor:
    urls = {task: base_url + path for task, path in _PATHS.items()}
    return lambda task, model: urls[task]


def _is_azure_v1(base_url: str) -> bool:
    return base_url.endswith("/openai/v1")


def _azure_url(base_url: str, api_version: str | None) -> UrlFor:
    """Azure's v1 API has OpenAI's paths; the dated one has the deployment in them."""
    query = f"?{urlencode({'api-version': api_version})}" if api_version else ""
    if _is_azure_v1(base_url):
        return lambda task, model: base_url + _PATHS[task] + query
    root = base_url.removesuffix("/openai") + "/openai/deployments/"
    return lambda task, model: root + quote(model, safe="") + _PATHS[task] + query


def _headers(dialect: str, config: ProviderConfig, key: ProviderKey | None) -> dict[str, str]:
    headers = {name.lower(): value for name, value in config.headers.items()}
    if dialect == "anthropic":
        headers["anthropic-version"] = config.api_version or ANTHROPIC_VERSION
    if key:
        name, prefix = {"azure": ("api-key", ""), "anthropic": ("x-api-key", "")}.get(
            dialect, ("authorization", "Bearer ")
        )
        headers[name] = prefix + key.reveal()
    return headers


def _transport(name: str, config: ProviderConfig, base_url: str, home: Path) -> Transport:
    parts = urlsplit(base_url)
    is_tls = parts.scheme == "https"
    http1 = Http1Transport(
        max_connections=config.max_connections,
        connect_timeout_s=config.connect_timeout_s,
        tls=_tls(name, config, home, ["http/1.1"]) if is_tls else None,
        proxy_url=config.proxy_url,
    )
    if not is_tls or not config.http2 or config.proxy_url:
        return http1
    return Http2Transport(
        parts.hostname or "",
        parts.port or 443,
        tls=_tls(name, config, home, ["h2", "http/1.1"]),
        max_connections=config.max_connections,
        connect_timeout_s=config.connect_timeout_s,
        http1=http1,
    )


def _tls(name: str, config: ProviderConfig, home: Path, protocols: list[str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(home / config.ca_file) if config.ca_file else None)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError([f"providers.{name}.ca_file: cannot be read ({type(error).__name__})"]) from None
    context.set_alpn_protocols(protocols)
    return context
