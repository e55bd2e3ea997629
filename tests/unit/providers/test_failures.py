"""Error bodies as providers really word them, and the pauses that they ask for."""

import time
from email.utils import formatdate
from typing import Any

import orjson
import pytest

from app.errors import (
    ContentRefused,
    ContextTooLong,
    InvalidRequest,
    SextantError,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamTimeout,
)
from app.providers.failures import MAX_SENTENCE, OPERATOR_PAUSE_S, error_of_answer, error_of_event
from app.providers.key import ProviderKey
from app.providers.pause import MAX_PAUSE_S, pause_asked_for

KEY = ProviderKey("abcd-0123-secret")


def openai(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **fields}}


def anthropic(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def gemini(message: str, status: str = "INVALID_ARGUMENT") -> list[dict[str, Any]]:
    return [{"error": {"code": 400, "message": message, "status": status}}]


TOO_LONG = [
    (400, openai("This model's maximum context length is 8192 tokens.", code="context_length_exceeded")),
    (400, openai("Please reduce the length of the messages or completion.", code="context_length_exceeded")),
    (400, anthropic("invalid_request_error", "prompt is too long: 200251 tokens > 200000 maximum")),
    (400, anthropic("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2")),
    (413, anthropic("request_too_large", "Request exceeds the maximum allowed number of bytes.")),
    (400, gemini("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).")),
    (
        400,
        {
            "object": "error",
            "message": "Prompt contains 40002 tokens, too large for model with 32768 maximum context length",
            "type": "invalid_request_error",
            "code": "3051",
        },
    ),
    (400, {"object": "error", "message": "maximum context length is 2048 tokens", "code": 400}),
    (422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000", "error_type": "validation"}),
]
REFUSED = [
    (400, openai("The response was filtered due to the prompt", code="content_filter")),
    (400, {"error": {"code": "x", "message": "no", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
    (400, anthropic("invalid_request_error", "Output blocked by content filtering policy")),
    (400, openai("Your input was flagged", code="invalid_request_error")),
    (400, openai("Your input was flagged", code="400")),
    (403, {"error": {"code": 403, "message": "Your chosen model requires moderation and your input was flagged"}}),
    (403, {"code": "permission-denied", "error": "Content violates usage guidelines. Failed check: BIO"}),
]
OTHERS: list[tuple[int, Any, type[SextantError]]] = [
    (400, openai("Invalid value for 'temperature'"), InvalidRequest),
    (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "n"], "msg": "Extra inputs"}]}, InvalidRequest),
    (
        400,
        openai("Invalid schema for function 'get_flagged_orders'", code="invalid_function_parameters"),
        InvalidRequest,
    ),
    (400, openai("max_tokens is too large: 100000. This model supports at most 16384."), InvalidRequest),
    (400, gemini("API key not valid. Please pass a valid API key."), UpstreamFailed),
    (401, openai("Incorrect API key provided", code="invalid_api_key"), UpstreamFailed),
    (404, {"error": {"code": "DeploymentNotFound", "message": "no such deployment"}}, UpstreamFailed),
    (400, {"error": {"code": 400, "message": "gpt-9 is not a valid model ID"}}, UpstreamFailed),
    (429, openai("You exceeded your current quota", code="insufficient_quota"), UpstreamFailed),
    (402, {"error": {"code": 402, "message": "Insufficient credits"}}, UpstreamFailed),
    (413, openai("Request too large (TPM)", type="tokens", code="rate_limit_exceeded"), UpstreamRateLimited),
    (498, openai("capacity exceeded"), UpstreamRateLimited),
    (524, b"<html>timed out</html>", UpstreamTimeout),
    (502, b"<html>bad gateway</html>", UpstreamFailed),
    (418, b"", UpstreamFailed),
    (400, b"null", InvalidRequest),
    (400, b"[]", InvalidRequest),
]


# A person has to act: nobody's request would be answered.
FOR_THE_OPERATOR = [
    (400, gemini("API key not valid. Please pass a valid API key.")),
    (400, {"code": "invalid-argument", "error": "Incorrect API key provided: xa***Gk."}),
    (401, openai("Incorrect API key provided", code="invalid_api_key")),
    (401, b""),
    (403, anthropic("permission_error", "Your API key does not have permission to use the specified resource.")),
    (429, openai("You exceeded your current quota", code="insufficient_quota")),
    (402, anthropic("billing_error", "There is a problem with your billing information.")),
    (404, anthropic("not_found_error", "model: claude-9")),
    (404, openai("The model `gpt-9` does not exist or you do not have access to it.", code="model_not_found")),
    (404, {"error": {"message": "The model `m` does not exist.", "type": "NotFoundError", "code": 404}}),
    (404, {"error": {"message": "model 'm' not found, try pulling it first", "type": "api_error"}}),
    (400, {"error": {"code": 400, "message": "gpt-9 is not a valid model ID"}}),
]
# What is wrong may be this request alone, and some of these repeat its words.
FOR_ONE_REQUEST: list[tuple[int, Any, type[SextantError]]] = [
    (
        400,
        openai(
            "Invalid schema: In context=('properties', 'model x does not exist')", code="invalid_function_parameters"
        ),
        InvalidRequest,
    ),
    (400, openai("Incorrect API key provided, says a tool", code="invalid_value"), InvalidRequest),
    (400, anthropic("invalid_request_error", "tools.0: 'model x does not exist' is too long"), InvalidRequest),
    (400, gemini("Unknown name \"API key expired\" at 'tools[0]': Cannot find field."), InvalidRequest),
    (400, openai("'model x not found' is not a valid model ID of a tool"), InvalidRequest),
    (404, {"error": {"code": 404, "message": "No endpoints found that support tool use"}}, UpstreamFailed),
    (404, {"detail": "Not Found"}, UpstreamFailed),
    (404, openai("No file 'the model x does not exist'", code="file_not_found"), UpstreamFailed),
    (
        402,
        {"error": {"code": 402, "message": "This request requires more credits, or fewer max_tokens."}},
        UpstreamFailed,
    ),
    (403, b"<html>Request blocked</html>", UpstreamFailed),
    (403, {"error": {"code": 403, "message": "No.", "status": "PERMISSION_DENIED"}}, UpstreamFailed),
]


def error_of(status: int, body: Any, headers: dict[str, str] | None = None) -> SextantError:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return error_of_answer(status, headers or {}, data, KEY)


@pytest.mark.parametrize(("status", "body"), TOO_LONG)
def test_a_prompt_that_is_too_long_is_told_as_such(status: int, body: Any) -> None:
    assert type(error_of(status, body)) is ContextTooLong


@pytest.mark.parametrize(("status", "body"), REFUSED)
def test_refused_content_is_told_as_such(status: int, body: Any) -> None:
    assert type(error_of(status, body)) is ContentRefused


@pytest.mark.parametrize(("status", "body", "expected"), OTHERS)
def test_what_else_goes_wrong(status: int, body: Any, expected: type[SextantError]) -> None:
    assert type(error_of(status, body)) is expected


@pytest.mark.parametrize(("status", "body"), FOR_THE_OPERATOR)
def test_a_key_a_model_and_an_account_are_left_alone_for_a_minute(status: int, body: Any) -> None:
    error = error_of(status, body)
    assert (type(error), error.retry_after_s) == (UpstreamFailed, OPERATOR_PAUSE_S)


@pytest.mark.parametrize(("status", "body", "expected"), FOR_ONE_REQUEST)
def test_what_may_be_wrong_with_one_request_alone_pauses_nobody_elses(
    status: int, body: Any, expected: type[SextantError]
) -> None:
    error = error_of(status, body, {"retry-after": "30"})
    assert (type(error), error.retry_after_s) == (expected, None)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (anthropic("overloaded_error", "Overloaded"), UpstreamFailed),
        (anthropic("rate_limit_error", "slow down"), UpstreamRateLimited),
        (anthropic("timeout_error", "too slow"), UpstreamTimeout),
        ({"error": {"code": 429, "message": "slow down"}, "choices": []}, UpstreamRateLimited),
        ({"error": {"code": 502, "message": "Provider disconnected"}}, UpstreamFailed),
        ({"error": "something"}, UpstreamFailed),
    ],
)
def test_errors_within_a_stream(payload: Any, expected: type[SextantError]) -> None:
    assert type(error_of_event(payload, KEY)) is expected


def test_a_refused_request_is_explained_in_one_short_clean_line() -> None:
    message = "bad\x00 \n" + "abcd-0123-secret sk-other-key-12345678 https://internal.host/path " + "long " * 200
    error = error_of(400, openai(message, param="messages[0].role"))
    assert error.param == "messages[0].role"
    assert error.message.startswith("The provider refused the request: bad *** *** long")
    assert len(error.message) < MAX_SENTENCE + 50


def test_a_validation_report_does_not_repeat_what_the_user_wrote() -> None:
    body = {"detail": [{"loc": ["body", "x"], "msg": "Extra inputs", "input": "my secret text"}]}
    message = error_of(422, body).message
    assert "Extra inputs" in message
    assert "my secret text" not in message


@pytest.mark.parametrize(
    ("headers", "status", "expected"),
    [
        ({}, 429, None),
        ({"retry-after": "3"}, 429, 3),
        ({"retry-after": "0.5"}, 503, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 429, 0.25),
        ({"retry-after": "soon"}, 429, None),
        ({"retry-after": "Fri, 99999999999999999999 Nov 2026 08:49:37 GMT"}, 429, None),
        ({"retry-after": "nan"}, 429, None),
        ({"retry-after": "-5"}, 429, None),
        ({"retry-after": "999999"}, 429, MAX_PAUSE_S),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-reset-tokens": "120ms"}, 429, 0.12),
        ({"x-ratelimit-reset-requests": "1h2m3.5s", "x-ratelimit-remaining-requests": "0"}, 429, 3600),
        ({"x-ratelimit-reset-tokens": "7.66s", "x-ratelimit-remaining-tokens": "0"}, 429, 7.66),
        ({"x-ratelimit-reset-tokens": "12"}, 429, 12),
        ({"x-ratelimit-reset-tokens": "7.66s"}, 500, None),
    ],
)
def test_the_pause_that_a_provider_asks_for(headers: dict[str, str], status: int, expected: float | None) -> None:
    assert pause_asked_for(headers, status) == (expected if expected is None else pytest.approx(expected))


def test_a_pause_until_a_date() -> None:
    pause = pause_asked_for({"retry-after": formatdate(time.time() + 20, usegmt=True)}, 503)
    assert pause == pytest.approx(20, abs=2)
    assert pause_asked_for({"retry-after": formatdate(0, usegmt=True)}, 503) == 0
