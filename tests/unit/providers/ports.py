"""Real ports to a provider double: what the tests here are made of."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.config.providers import HostedModelConfig, ProviderConfig
from app.pipeline.ports import ModelPort
from app.providers.build import ProviderSet, build_providers

KEY = "sk-provider-0123456789abcdef"
_PROVIDERS = "OPENAI AZURE_OPENAI ANTHROPIC GEMINI MISTRAL GROQ TOGETHER OPENROUTER".split()
ENVIRONMENT = {f"{name}_API_KEY": KEY for name in _PROVIDERS}


@dataclass(frozen=True)
class Config:
    """The part of `StackConfig` that providers are built from."""

    providers: dict[str, ProviderConfig]
    hosted: tuple[HostedModelConfig, ...]


def provider_set(
    home: Path = Path("/nonexistent"), hosted: Mapping[str, Any] | None = None, **settings: Any
) -> ProviderSet:
    """One provider with one model, `m`, of at most 100 tokens. `hosted`: what else is set for it."""
    config = Config(
        {"p": ProviderConfig.model_validate(settings)},
        (HostedModelConfig(id="m", provider="p", max_output_tokens=100, **(hosted or {})),),
    )
    return build_providers(config, home, ENVIRONMENT)


@asynccontextmanager
async def port_to(url: str, preset: str = "openai", **settings: Any) -> AsyncIterator[ModelPort]:
    """A port to the server at `url` that takes it for the preset's provider."""
    made = provider_set(preset=preset, base_url=f"{url}/v1", **settings)
    try:
        yield made.models["m"]
    finally:
        await made.aclose()


@asynccontextmanager
async def port_to_one_that_says(body: bytes, preset: str = "mistral") -> AsyncIterator[ModelPort]:
    """A port to a server with one answer for everybody."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, port_to(address, preset=preset) as port:
        yield port


def chat(content: str = "one two three", model: str = "m", **fields: Any) -> dict[str, Any]:
    """The body of a chat request, as the pipeline hands it over."""
    return {"model": model, "messages": [{"role": "user", "content": content}], **fields}


async def chunks_of(
    port: ModelPort, body: dict[str, Any], after_each: Callable[[dict[str, Any]], Awaitable[None]] | None = None
) -> list[dict[str, Any]]:
    """All chunks of a stream."""
    chunks = []
    async for chunk in port.stream("chat", {**body, "stream": True}, "r1"):
        chunks.append(chunk)
        if after_each:
            await after_each(chunk)
    return chunks


def said(chunks: list[dict[str, Any]]) -> str:
    """The text of a stream."""
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)
