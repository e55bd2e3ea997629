"""A chat answer as a Message object, and errors in the shape of its route."""

from typing import Any

import orjson

from app.dialects.answer import Answer, Part, Tokens
from app.errors import SextantError, UpstreamFailed

STOP_REASONS = {"length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
ERROR_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def message_object(answer_id: str, answer: Answer) -> dict[str, Any]:
    """The whole message. Raises UpstreamFailed for a call whose arguments are no JSON object."""
    reason, sequence = ending_of(answer)
    return {
        **bare_message(answer_id, answer),
        "content": [block for part in answer.parts if (block := _block(part, answer))],
        "stop_reason": reason,
        "stop_sequence": sequence,
        "usage": usage_of(answer.tokens),
    }


def bare_message(answer_id: str, answer: Answer) -> dict[str, Any]:
    """A message that begins: without content, and with nothing counted."""
    return {
        "id": f"msg_{answer_id}",
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage_of(Tokens()),
        "sextant": answer.extension,
    }


def bare_block(part: Part) -> dict[str, Any]:
    """A part that begins. A refusal is a text: the stop reason says what it is."""
    if part.kind == "call":
        return {"type": "tool_use", "id": part.call_id, "name": part.name, "input": {}}
    return {"type": "text", "text": "", "citations": None}


def input_of(part: Part, answer: Answer) -> dict[str, Any] | None:
    """A call's arguments, parsed; None where the token limit cut them off.

    Raises UpstreamFailed for anything else that is no JSON object: nobody could run such a call.
    """
    try:
        arguments = orjson.loads(part.text or "{}")
    except orjson.JSONDecodeError:
        arguments = None
    if isinstance(arguments, dict):
        return arguments
    if answer.finish_reason == "length" and part is answer.parts[-1]:
        return None
    raise UpstreamFailed("The model called a tool with arguments that are no JSON object.")


def ending_of(answer: Answer) -> tuple[str, str | None]:
    """The stop reason, and the stop sequence where the engine told which one it was."""
    kinds = {part.kind for part in answer.parts}
    reason = STOP_REASONS.get(answer.finish_reason or "", "end_turn")
    if reason != "end_turn":
        return reason, None
    if "refusal" in kinds:
        return "refusal", None
    if "call" in kinds:
        return "tool_use", None  # with a forced choice engines say `stop`
    return ("stop_sequence", answer.stop) if answer.stop is not None else ("end_turn", None)


def usage_of(tokens: Tokens) -> dict[str, Any]:
    """Anthropic's count: tokens read from a cache or written into one stand beside the input tokens, not among them."""
    return {
        "input_tokens": tokens.prompt - tokens.cached - tokens.written,
        "cache_read_input_tokens": tokens.cached,
        "cache_creation_input_tokens": tokens.written,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.written - tokens.written_1h,
            "ephemeral_1h_input_tokens": tokens.written_1h,
        },
        "output_tokens": tokens.completion,
    }


def error_object(error: SextantError, request_id: str) -> dict[str, Any]:
    """Anthropic's shape and type, with our `param` and `code` beside them."""
    kind = ERROR_TYPES.get(error.status) or ("invalid_request_error" if error.status < 500 else "api_error")
    return {"type": "error", "error": {**error.to_wire()["error"], "type": kind}, "request_id": request_id}


def _block(part: Part, answer: Answer) -> dict[str, Any] | None:
    """A part as a content block; None for a call that was cut off, which says itself in the stop reason."""
    if part.kind != "call":
        return {**bare_block(part), "text": part.text}
    arguments = input_of(part, answer)
    return None if arguments is None else {**bare_block(part), "input": arguments}
