"""The LiteLLM SDK as a dialect. The extra `litellm` is optional: without it, only its absence is tested."""

import asyncio
import importlib.util
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from app.config.errors import ConfigError
from app.errors import ContextTooLong, InvalidRequest, SextantError, UpstreamFailed, UpstreamRateLimited
from app.pipeline.ports import ModelPort
from tests.provider_double import ProviderDouble
from tests.unit.providers.ports import KEY, chat, chunks_of, provider_set, said

is_installed = importlib.util.find_spec("litellm") is not None
needs_sdk = pytest.mark.skipif(not is_installed, reason="needs the extra litellm")
MODEL = "openai/m"


@pytest.fixture
def port(double: ProviderDouble, monkeypatch: pytest.MonkeyPatch) -> ModelPort:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else the import asks the network for prices
    made = provider_set(preset="litellm", base_url=f"{double.url}/v1", api_key_env="OPENAI_API_KEY")
    return made.models["m"]


@pytest.mark.skipif(is_installed, reason="the extra litellm is installed")
def test_without_the_extra_the_remedy_is_told() -> None:
    with pytest.raises(ConfigError, match=r"pip install 'sextant\[litellm\]'"):
        provider_set(preset="litellm")


@needs_sdk
async def test_answers_whole_and_streamed(port: ModelPort, double: ProviderDouble) -> None:
    answer = await port.complete("chat", chat(model=MODEL), "r1")
    chunks = await chunks_of(port, chat(model=MODEL))
    assert answer["choices"][0]["message"]["content"] == said(chunks)
    assert answer["usage"]["total_tokens"] == chunks[-1]["usage"]["total_tokens"] == 11
    assert double.seen.last
    assert double.seen.last.headers["authorization"] == f"Bearer {KEY}"


@needs_sdk
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("429", UpstreamRateLimited),
        ("500", UpstreamFailed),
        ("503", UpstreamFailed),
        ("context", ContextTooLong),
        ("wrong_key", UpstreamFailed),
        ("unknown_model", UpstreamFailed),
        ("400", InvalidRequest),
        ("reset", UpstreamFailed),
    ],
)
async def test_errors_become_ours_and_show_no_key(
    port: ModelPort, double: ProviderDouble, fault: str, expected: type[SextantError]
) -> None:
    double.fail(fault)
    for call in (port.complete("chat", chat(model=MODEL), "r1"), chunks_of(port, chat(model=MODEL))):
        with pytest.raises(expected) as caught:
            await cast(Any, call)
        assert KEY not in str(caught.getrepr(style="long", chain=True))
    assert double.seen.requests == 2  # no retries of its own


@needs_sdk
@pytest.mark.parametrize("fault", ["cut_stream", "malformed_chunk", "error_event"])
async def test_a_stream_that_breaks_is_a_failure(port: ModelPort, double: ProviderDouble, fault: str) -> None:
    double.fail(fault)
    with pytest.raises(UpstreamFailed):
        await chunks_of(port, chat(model=MODEL))


@needs_sdk
async def test_closing_and_cancelling_end_the_generation(port: ModelPort, double: ProviderDouble) -> None:
    double.tokens, double.delay_s = 1000, 0.01
    stream = cast(AsyncGenerator[dict[str, Any], None], port.stream("chat", chat(model=MODEL, stream=True), "r1"))
    await anext(stream)
    await stream.aclose()
    await double.seen.until(lambda seen: seen.cancelled == 1, timeout_s=0.5)
    call = asyncio.ensure_future(port.complete("chat", chat(model=MODEL), "r1"))
    await double.seen.until(lambda seen: seen.requests == 2)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await double.seen.until(lambda seen: seen.cancelled == 2, timeout_s=0.5)
