"""The LiteLLM SDK as a dialect. The extra `litellm` is optional: without it, only its absence is tested."""

import asyncio
import importlib.util
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from app.config.errors import ConfigError
from app.errors import (
    ContextTooLong,
    InvalidRequest,
    NotForThisTarget,
    SextantError,
    UpstreamFailed,
    UpstreamRateLimited,
)
from app.pipeline.ports import ModelPort
from app.providers.hosted import Health
from app.providers.litellm_port import LiteLLMPort
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


class Chunk:
    """A chunk of a text completion, as the SDK's models are."""

    def model_dump(self, *, exclude_none: bool) -> dict[str, Any]:
        return {"choices": [{"index": 0, "text": "a", "finish_reason": "stop"}]}


class Wrapped:
    """What the SDK has a chat completion's stream in."""

    is_closed = False

    def __aiter__(self) -> "Wrapped":
        return self

    async def __anext__(self) -> Chunk:
        return Chunk()

    async def aclose(self) -> None:
        self.is_closed = True


class TextStream:
    """The SDK's stream of a text completion: one chunk, and no way to close it but by what it wraps."""

    def __init__(self, completion_stream: Any) -> None:
        self.completion_stream = completion_stream
        self._chunks = iter([Chunk()])

    async def __anext__(self) -> Chunk:
        for chunk in self._chunks:
            return chunk
        raise StopAsyncIteration


@pytest.mark.parametrize("wrapped", [Wrapped(), None])
async def test_a_stream_that_cannot_be_closed_itself_ends_well(wrapped: Wrapped | None) -> None:
    class Sdk:
        async def atext_completion(self, **_: Any) -> TextStream:
            return TextStream(wrapped)

    port = LiteLLMPort(Sdk(), Health(), None, None, 100)
    chunks = [chunk async for chunk in port.stream("completions", {"model": "m", "prompt": "x"}, "r1")]
    assert [choice["text"] for chunk in chunks for choice in chunk["choices"]] == ["a"]
    assert wrapped is None or wrapped.is_closed


async def test_what_the_sdk_cannot_say_to_a_provider_is_for_another_target() -> None:
    class Refused(Exception):
        status_code = 400

    class Other(Exception): ...

    class Sdk:
        ContextWindowExceededError = ContentPolicyViolationError = Other
        UnsupportedParamsError = Refused

        async def acompletion(self, **_: Any) -> None:
            raise Refused

    with pytest.raises(NotForThisTarget):
        await LiteLLMPort(Sdk(), Health(), None, None, 100).complete("chat", chat(), "r1")


@needs_sdk
@pytest.mark.parametrize("model", [MODEL, f"text-completion-{MODEL}"])
async def test_a_text_completion_is_streamed_to_its_end(port: ModelPort, model: str) -> None:
    body = {"model": model, "prompt": "one two three", "stream": True}
    chunks = [chunk async for chunk in port.stream("completions", body, "r1")]
    text = "".join(choice.get("text", "") for chunk in chunks for choice in chunk["choices"])
    assert len(text.split()) == 8


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
