"""Which requests may be answered from the cache, and which answers may be kept."""

from typing import Any

from app.cache.use import CacheUse
from app.wire.chat import ChatRequest
from app.wire.completions import CompletionRequest


def may_use(request: ChatRequest | CompletionRequest, use: CacheUse) -> bool:
    """Only what would come out the same again: greedy decoding (unless `use.sampled`), one choice, no log
    probabilities.

    OpenAI's default temperature is 1, so a request that does not set it is sampled. Tools that are offered, and the
    results of tools among the messages, are part of the key like every other word: what counts is whether the
    answer calls tools (see `may_keep`).
    """
    prompts = len(request.prompts) if isinstance(request, CompletionRequest) else 1
    # A text completion's `logprobs: 0` asks for them too.
    wants_logprobs = request.logprobs is not None and request.logprobs is not False
    is_greedy = request.temperature == 0
    return (is_greedy or use.sampled) and (request.n or 1) * prompts == 1 and not wants_logprobs


def may_keep(answer: dict[str, Any], use: CacheUse) -> bool:
    """Only answers that ended by themselves and say something: nothing truncated, refused, filtered, empty; nothing
    that calls tools, unless `use.tool_calls`.

    A refusal is one that the API marks as such (`refusal`, or a finish reason). "I'm sorry, but I can't find that in
    the documents" in plain words is what the model answers, and would answer again: no list of phrases can tell it
    from a right answer.
    """
    choices = answer.get("choices") or []
    return bool(choices) and "error" not in answer and all(_is_whole(choice, use) for choice in choices)


def _is_whole(choice: dict[str, Any], use: CacheUse) -> bool:
    message = choice.get("message") or {}
    if message.get("refusal") or message.get("function_call"):
        return False
    calls = bool(message.get("tool_calls"))
    if calls and not use.tool_calls:
        return False
    text = message.get("content") or choice.get("text") or ""
    # A call that the client demanded by name ends with "stop", too.
    ended = choice.get("finish_reason") in (("stop", "tool_calls") if calls else ("stop",))
    return ended and (calls or bool(text.strip()))
