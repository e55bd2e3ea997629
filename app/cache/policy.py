"""Which requests may be answered from the cache, and which answers may be kept."""

from typing import Any

from app.wire.chat import ChatRequest
from app.wire.completions import CompletionRequest


def may_use(request: ChatRequest | CompletionRequest) -> bool:
    """Only what would come out the same again: greedy decoding, one choice, no log probabilities.

    OpenAI's default temperature is 1, so a request that does not set it is not cached.
    """
    prompts = len(request.prompts) if isinstance(request, CompletionRequest) else 1
    # A text completion's `logprobs: 0` asks for them too.
    wants_logprobs = request.logprobs is not None and request.logprobs is not False
    return request.temperature == 0 and (request.n or 1) * prompts == 1 and not wants_logprobs


def may_keep(answer: dict[str, Any]) -> bool:
    """Only answers that ended by themselves: nothing truncated, refused, filtered, or calling tools."""
    choices = answer.get("choices") or []
    return bool(choices) and all(
        choice.get("finish_reason") == "stop"
        and not (choice.get("message") or {}).get("tool_calls")
        and not (choice.get("message") or {}).get("refusal")
        for choice in choices
    )
