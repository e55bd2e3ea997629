"""A provider's error answers, as errors of our tree: the one place that translates them.

| the provider says | we raise |
| --- | --- |
| the prompt is too long (by code, else by wording; any 413) | ContextTooLong |
| its content policy refuses | ContentRefused |
| another 400 or 422 | InvalidRequest, with the provider's sentence, shortened and cleaned |
| our key is refused (401, by code, a 400 by wording) | UpstreamFailed |
| out of credit or quota (by code) | UpstreamFailed |
| an unknown model or deployment (by code, a 400 or 404 by wording) | UpstreamFailed: our configuration is wrong |
| another 402, 403 or 404 | UpstreamFailed, with no pause |
| 408, 504, 524 | UpstreamTimeout |
| 429, 498 | UpstreamRateLimited, with the pause it asks for |
| 5xx, 529, 3xx, anything else | UpstreamFailed, with the pause it asks for |

A key, an account or a model name is not put right within seconds. Those three errors ask for a pause
of `OPERATOR_PAUSE_S`: it keeps the dispatcher from trying the same target again, and the target
out of the way of the next requests. A pause is everybody's. So none is read out of what may concern one request
alone: a 402 for more tokens than the credit covers, a firewall's 403, a 404 for a feature that no endpoint has; and
wording tells of a key or a model only where no code says otherwise, and at the beginning, before anything is quoted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from app.errors import (
    ContentRefused,
    ContextTooLong,
    InvalidRequest,
    SextantError,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamTimeout,
)
from app.providers.key import ProviderKey
from app.providers.pause import pause_asked_for

OPERATOR_PAUSE_S = 60.0
MAX_SENTENCE = 300  # characters of a provider's message that a client gets to read

_CONTEXT_CODES = {"context_length_exceeded", "string_above_max_length", "request_too_large", "3051"}
_CONTENT_CODES = {"content_filter", "content_policy_violation", "responsibleaipolicyviolation", "moderation_blocked"}
_QUOTA_CODES = {"insufficient_quota", "billing_error", "billing_hard_limit_reached", "insufficient_credits"}
_RATE_CODES = {"rate_limit_exceeded", "rate_limit_error"}
_KEY_CODES = {"invalid_api_key", "authentication_error", "permission_error", "api_key_invalid"}
_MODEL_CODES = {"model_not_found", "deploymentnotfound", "not_found_error", "invalid_model"}
_GENERIC_CODES = {"", "invalid_request_error", "bad_request", "badrequest", "badrequesterror"}

_CONTEXT = re.compile(
    r"maximum context|context (length|window|limit|size)|prompt is too long|input token count|too large for model with"
    r"|max_new_tokens`? must be|reduce the length of|max_model_len|maximum model length",
    re.IGNORECASE,
)
_CONTENT = re.compile(
    r"content (management|filter|polic)|safety system|flagged|moderation|violates usage guidelines", re.IGNORECASE
)
# These two are matched at the beginning.
_KEY = re.compile(r"(your |the )?api key (is )?(not valid|invalid|expired)|incorrect api key", re.IGNORECASE)
_MODEL = re.compile(
    r"\S{1,100} is not a valid model|(the )?(requested )?model:? \S{1,100} (does not exist|(is |was )?not found)",
    re.IGNORECASE,
)

# Status of an error that has none: an event in a stream, or an error under status 200.
_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}

_SECRET = re.compile(r"\b(sk|key|gsk|pk|bearer)[-_ ][A-Za-z0-9_\-*.]{6,}", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True)
class _Report:
    """What an error body says, whichever of the shapes it has."""

    message: str
    codes: frozenset[str]  # code, type, status and inner code, in lower case
    has_own_code: bool  # which says what is wrong: what it quotes of the request may hold any words
    param: str | None
    status: int | None  # where the body names one


def error_of_answer(status: int, headers: Mapping[str, str], body: bytes, key: ProviderKey | None) -> SextantError:
    """The error for an answer with a status other than 200. Header names are in lower case."""
    try:
        report = _read(orjson.loads(body))
    except orjson.JSONDecodeError:
        report = _Report("", frozenset(), False, None, None)
    return _translate(status, report, pause_asked_for(headers, status), key)


def error_of_event(payload: Any, key: ProviderKey | None) -> SextantError:
    """The error that a stream carries, or an answer under status 200."""
    report = _read(payload)
    status = report.status or next((_STATUS_OF_TYPE[code] for code in report.codes if code in _STATUS_OF_TYPE), 500)
    return _translate(status, report, None, key)


def _translate(status: int, report: _Report, pause_s: float | None, key: ProviderKey | None) -> SextantError:
    codes, message = report.codes, report.message
    is_refusal = status in (400, 403, 413, 422)
    is_named = report.has_own_code or bool(codes & _CONTEXT_CODES)
    worded = "" if report.has_own_code or status not in (400, 404) else message
    if codes & _QUOTA_CODES:
        return UpstreamFailed("The provider's account is out of credit.", retry_after_s=OPERATOR_PAUSE_S)
    if status in (429, 498) or codes & _RATE_CODES:
        return UpstreamRateLimited("The provider's rate limit is reached.", retry_after_s=pause_s)
    if is_refusal and (codes & _CONTENT_CODES or (not is_named and _CONTENT.search(message))):
        return ContentRefused("The provider's content policy refuses this request.")
    if status == 413 or (is_refusal and (codes & _CONTEXT_CODES or _CONTEXT.search(message))):
        return ContextTooLong("The prompt and the answer asked for do not fit the model's context.")
    if status == 401 or codes & _KEY_CODES or _KEY.match(worded):
        return UpstreamFailed("The provider refused our key.", retry_after_s=OPERATOR_PAUSE_S)
    if codes & _MODEL_CODES or _MODEL.match(worded):
        return UpstreamFailed("The provider does not know this model.", retry_after_s=OPERATOR_PAUSE_S)
    if status in (402, 403, 404):
        return UpstreamFailed(f"The provider refused the request with status {status}.")
    if status in (400, 422):
        return InvalidRequest(_sentence(message, key), param=report.param)
    if status in (408, 504, 524):
        return UpstreamTimeout("The provider ran out of time.", retry_after_s=pause_s)
    return UpstreamFailed(f"The provider failed with status {status}.", retry_after_s=pause_s)


def _read(payload: Any) -> _Report:
    """OpenAI, Azure and vLLM: `{"error": {...}}`; Anthropic: the same within `{"type": "error"}`; Gemini:
    a list of one; Mistral and older vLLM: flat; TGI: `{"error": "sentence", "error_type"}`."""
    if isinstance(payload, list):
        payload = payload[0] if payload else None
    if not isinstance(payload, dict):
        return _Report("", frozenset(), False, None, None)
    outer = payload
    inner = outer.get("error")
    if isinstance(inner, str):
        inner = {"message": inner, "type": outer.get("error_type")}
    error: dict[str, Any] = inner if isinstance(inner, dict) else outer
    nested = error.get("innererror")
    deeper: dict[str, Any] = nested if isinstance(nested, dict) else {}
    named = (error.get("code"), error.get("type"), error.get("status"), deeper.get("code"))
    message = error.get("message") or outer.get("detail") or ""
    if not isinstance(message, str):  # Mistral and FastAPI list what does not validate
        message = orjson.dumps(_without_inputs(message)).decode()
    param, code = error.get("param"), error.get("code")
    return _Report(
        message,
        frozenset(str(name).lower() for name in named if name is not None),
        isinstance(code, str) and not code.isdecimal() and code.lower() not in _GENERIC_CODES,
        param if isinstance(param, str) and re.fullmatch(r"[\w.\[\]-]{1,64}", param) else None,
        code if isinstance(code, int) and 400 <= code <= 599 else None,
    )


def _without_inputs(value: Any) -> Any:
    """A validation report without what the user wrote."""
    if isinstance(value, dict):
        return {name: _without_inputs(part) for name, part in value.items() if name not in ("input", "ctx", "url")}
    return [_without_inputs(part) for part in value] if isinstance(value, list) else value


def _sentence(message: str, key: ProviderKey | None) -> str:
    """A provider's message as a client may read it: one short line, no key, no address."""
    text = key.masked(message) if key else message
    text = _ADDRESS.sub("", _SECRET.sub("***", text))
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if len(text) > MAX_SENTENCE:
        text = text[: MAX_SENTENCE - 1] + "…"
    return f"The provider refused the request: {text}" if text else "The provider refused the request."
