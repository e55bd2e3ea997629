"""Error bodies, worded and coded as the providers themselves do."""

from typing import Any

import orjson

from tests.provider_double.answers import Wire

# fault: status, OpenAI's type and code, Anthropic's type, message
_REFUSALS: dict[str, tuple[int, str, str | None, str, str]] = {
    "context": (
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "invalid_request_error",
        "prompt is too long: 200251 tokens > 200000 maximum",
    ),
    "content_filter": (
        400,
        "invalid_request_error",
        "content_filter",
        "invalid_request_error",
        "Output blocked by content filtering policy",
    ),
    "quota": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "billing_error",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "wrong_key": (
        401,
        "invalid_request_error",
        "invalid_api_key",
        "authentication_error",
        "Incorrect API key provided: {key}.",
    ),
    "unknown_model": (
        404,
        "invalid_request_error",
        "model_not_found",
        "not_found_error",
        "The model `{model}` does not exist or you do not have access to it.",
    ),
}

_BY_STATUS: dict[int, tuple[str, str | None, str, str]] = {
    400: ("invalid_request_error", None, "invalid_request_error", "Invalid value for 'temperature'."),
    402: ("insufficient_quota", None, "billing_error", "Insufficient credits."),
    403: ("permission_error", None, "permission_error", "Your key does not have permission."),
    404: ("invalid_request_error", None, "not_found_error", "Not found."),
    429: ("rate_limit_error", "rate_limit_exceeded", "rate_limit_error", "Rate limit reached."),
    529: ("server_error", None, "overloaded_error", "Overloaded"),
}

_ANY = ("server_error", None, "api_error", "The server had an error while processing your request.")


def refusal(wire: Wire, kind: str, model: str, key: str) -> tuple[int, bytes]:
    """Status and body of a fault that is an error answer."""
    if kind.isdigit():
        status, (openai, code, anthropic, message) = int(kind), _BY_STATUS.get(int(kind), _ANY)
    else:
        status, openai, code, anthropic, message = _REFUSALS[kind]
    message = message.format(model=model, key=key)
    if wire != "messages":
        return status, orjson.dumps({"error": {"message": message, "type": openai, "param": None, "code": code}})
    return status, orjson.dumps(anthropic_error(anthropic, message))


def anthropic_error(kind: str, message: str) -> dict[str, Any]:
    """Anthropic's error, in a body or as the data of an event."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_double"}


def error_event(wire: Wire) -> bytes:
    """The error that a provider sends in the middle of a stream."""
    if wire == "messages":
        return b"event: error\ndata: " + orjson.dumps(anthropic_error("overloaded_error", "Overloaded")) + b"\n\n"
    _, body = refusal(wire, "500", "", "")
    return b"data: " + body + b"\n\n"
