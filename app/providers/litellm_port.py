"""A hosted model through the LiteLLM SDK: for providers that speak a wire of their own.

The SDK is the optional extra `litellm`; it is imported when the first such model is built (it takes
seconds), and only its completion call is used: retries, fallbacks, budgets and routing are ours.
"""

import importlib
from collections.abc import AsyncGenerator
from typing import Any

from app.config.errors import ConfigError
from app.errors import ContentRefused, ContextTooLong, NotForThisTarget, SextantError, UpstreamFailed
from app.pipeline.ports import Task
from app.providers.body import body_for
from app.providers.failures import error_of_answer
from app.providers.hosted import Health, HostedModel
from app.providers.key import ProviderKey
from app.providers.presets import UNKNOWN


class LiteLLMPort(HostedModel):
    """A ModelPort. The model's name is LiteLLM's, such as `bedrock/anthropic.claude-sonnet-4`."""

    def __init__(
        self,
        sdk: Any,
        health: Health,
        key: ProviderKey | None,
        base_url: str | None,
        max_output_tokens: int,
        *,
        sampling: bool = True,
    ) -> None:
        super().__init__(health, max_output_tokens, sampling=sampling)
        self._sdk = sdk
        self._key = key
        self._base_url = base_url

    async def stream(self, task: Task, body: dict[str, Any], request_id: str) -> AsyncGenerator[dict[str, Any], None]:
        """Chunks. Raises UpstreamFailed when the stream ends before the answer does."""
        chunks = await self._call(task, body, stream=True)
        is_finished = False
        try:
            while (chunk := await self._next(chunks)) is not None:
                is_finished = is_finished or any(choice.get("finish_reason") for choice in chunk["choices"])
                yield chunk
        finally:
            await _close(chunks)
        if not is_finished:
            raise UpstreamFailed("The provider broke the answer off.")

    async def complete(self, task: Task, body: dict[str, Any], request_id: str) -> dict[str, Any]:
        """A whole answer."""
        answer: dict[str, Any] = (await self._call(task, body, stream=False)).model_dump(exclude_none=True)
        return answer

    async def _call(self, task: Task, body: dict[str, Any], *, stream: bool) -> Any:
        accepted = self._accepted(body)
        arguments = body_for(UNKNOWN, task, accepted, stream=stream, max_output_tokens=self._max_output_tokens)
        call = self._sdk.acompletion if task == "chat" else self._sdk.atext_completion
        try:
            answer = await call(
                **arguments,
                api_key=self._key.reveal() if self._key else None,
                api_base=self._base_url,
                drop_params=True,
                num_retries=0,
                max_retries=0,
            )
        except Exception as error:  # the SDK raises the exceptions of a dozen libraries
            raise self._translated(error) from None
        self._health.is_up = True
        return answer

    async def _next(self, chunks: Any) -> dict[str, Any] | None:
        try:
            chunk: dict[str, Any] = (await anext(chunks)).model_dump(exclude_none=True)
        except StopAsyncIteration:
            return None
        except Exception as error:  # as above
            raise self._translated(error) from None
        return chunk

    def _translated(self, error: Exception) -> SextantError:
        """By its class where LiteLLM has one for the matter, else by its status."""
        if isinstance(error, self._sdk.ContextWindowExceededError):
            return ContextTooLong("The prompt and the answer asked for do not fit the model's context.")
        if isinstance(error, self._sdk.ContentPolicyViolationError):
            return ContentRefused("The provider's content policy refuses this request.")
        if isinstance(error, self._sdk.UnsupportedParamsError):
            return NotForThisTarget("This model does not take a field of the request.")
        status = getattr(error, "status_code", None)
        response = getattr(error, "response", None)
        headers = {name.lower(): value for name, value in getattr(response, "headers", {}).items()}
        translated = error_of_answer(status if isinstance(status, int) else 502, headers, b"{}", self._key)
        self._health.is_up = translated.status < 500
        return translated


async def _close(chunks: Any) -> None:
    """End the generation. The SDK's stream of a text completion can only be closed by the one that it wraps."""
    for stream in (chunks, getattr(chunks, "completion_stream", None)):
        if close := getattr(stream, "aclose", None):
            await close()
            return


def load_sdk() -> Any:
    """LiteLLM, set to be silent. Raises ConfigError when it is not installed."""
    try:
        sdk: Any = importlib.import_module("litellm")
    except ModuleNotFoundError:
        raise ConfigError(
            ["providers: dialect litellm needs the LiteLLM SDK: pip install 'sextant[litellm]'"]
        ) from None
    sdk.telemetry = False
    sdk.suppress_debug_info = True
    return sdk
