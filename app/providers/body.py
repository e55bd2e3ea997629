"""The body as a provider takes it: what it does not know dropped, what it calls otherwise renamed."""

from typing import Any

from app.pipeline.cache_breakpoints import FIELD as CACHE_BREAKPOINTS
from app.pipeline.ports import Task
from app.providers.call_ids import accepted_id
from app.providers.presets import Facts


def body_for(facts: Facts, task: Task, body: dict[str, Any], *, stream: bool, max_output_tokens: int) -> dict[str, Any]:
    """A body in the dialect of OpenAI, by the facts of one provider.

    A request that sets no limit gets `max_output_tokens`: what it may cost was reserved by that.
    """
    drops = {*facts.drops, CACHE_BREAKPOINTS}  # Anthropic's
    shaped = {name: value for name, value in body.items() if value is not None and name not in drops}
    limit = output_limit(shaped, max_output_tokens)
    for name in ("max_tokens", "max_completion_tokens", "stream", "stream_options"):
        shaped.pop(name, None)
    shaped[facts.tokens_field if task == "chat" else "max_tokens"] = limit
    if stream:
        shaped["stream"] = True
        if facts.stream_usage:
            shaped["stream_options"] = {"include_usage": True}
    for ours, theirs in (facts.renames or {}).items():
        if ours in shaped:
            shaped[theirs] = shaped.pop(ours)
    if task == "chat":
        shaped["messages"] = [_message_for(facts, message) for message in shaped["messages"]]
    return shaped


def output_limit(body: dict[str, Any], max_output_tokens: int) -> int:
    """The most tokens that the request lets the model generate."""
    asked: int | None = body.get("max_completion_tokens") or body.get("max_tokens")
    return asked or max_output_tokens


def _message_for(facts: Facts, message: dict[str, Any]) -> dict[str, Any]:
    if message["role"] == "developer" and not facts.developer_role:
        message = {**message, "role": "system"}
    if "name" in message and not facts.message_names:
        message = {name: value for name, value in message.items() if name != "name"}
    if calls := message.get("tool_calls"):
        message = {**message, "tool_calls": [_call_for(facts, call) for call in calls]}
    if identifier := message.get("tool_call_id"):
        message = {**message, "tool_call_id": accepted_id(facts.call_ids, identifier)}
    return message


def _call_for(facts: Facts, call: dict[str, Any]) -> dict[str, Any]:
    call = {**call, "id": accepted_id(facts.call_ids, call["id"])}
    if not facts.thought_signatures:
        call.pop("extra_content", None)
    return call
