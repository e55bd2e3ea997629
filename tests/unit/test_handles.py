"""Ray's errors become ours at one boundary, whichever way a call is made."""

from typing import Any

import orjson
import pytest
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from starlette.exceptions import HTTPException

from app.errors import (
    ContextTooLong,
    InternalError,
    InvalidRequest,
    ModelNotFound,
    SextantError,
    Unavailable,
    UpstreamFailed,
)
from deployments.handles import ModelHandle, parse_payload


class FakeHandle:
    """A Serve handle whose calls raise."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.cancelled = 0

    def options(self, **_: Any) -> "FakeHandle":
        return self

    @property
    def generate(self) -> "FakeHandle":
        return self

    def remote(self, *_: Any) -> "FakeHandle":
        return self

    def __aiter__(self) -> "FakeHandle":
        return self

    async def __anext__(self) -> bytes:
        raise self.error

    def cancel(self) -> None:
        self.cancelled += 1


@pytest.mark.parametrize(
    "error",
    [
        BackPressureError(num_queued_requests=9, max_queued_requests=8),
        DeploymentUnavailableError.__new__(DeploymentUnavailableError),
        RayActorError(),
    ],
    ids=lambda e: type(e).__name__,
)
async def test_a_model_that_is_full_or_away_is_unavailable_with_a_time_to_retry(error: Exception) -> None:
    handle = FakeHandle(error)
    with pytest.raises(Unavailable) as raised:
        await ModelHandle(handle).complete("chat", {"model": "m"}, "id")
    assert raised.value.headers()["retry-after"]
    assert handle.cancelled == 1


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (ValueError("Failed to load lora model: /secret is no adapter"), ModelNotFound),
        (HTTPException(404, "Unable to find LoRA adapter config file in folder s3://secret"), ModelNotFound),
        (ValueError("secret"), InternalError),
        (HTTPException(404, "secret"), InternalError),
    ],
)
async def test_an_adapter_that_is_not_there_is_a_model_that_is_not_there(
    cause: Exception, kind: type[SextantError]
) -> None:
    error = RayTaskError("generate", "traceback", cause).as_instanceof_cause()
    with pytest.raises(kind) as raised:
        await ModelHandle(FakeHandle(error)).complete("chat", {"model": "m:poet"}, "id")
    assert type(raised.value) is kind
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("name", ["message", "delta"])
def test_of_the_fields_that_nobody_sends_back_only_what_says_something_is_told(name: str) -> None:
    empty = {"annotations": None, "audio": None, "function_call": None, "reasoning": None}
    told = {"role": "assistant", "content": None, "refusal": None}

    def said(fields: dict[str, Any]) -> Any:
        return parse_payload(orjson.dumps({"choices": [{"index": 0, name: fields}]}))["choices"][0][name]

    assert said({**told, **empty}) == told
    assert said({**told, **empty, "reasoning": "Hm."}) == {**told, "reasoning": "Hm."}


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (b'{"error": {"message": "maximum context length is 8", "code": 400}}', ContextTooLong),
        (b'{"error": {"message": "bad", "code": 400, "param": "x"}}', InvalidRequest),
        (b'{"error": {"message": "secret path", "code": 500}}', UpstreamFailed),
    ],
)
def test_the_engines_errors_are_told_apart(payload: bytes, kind: type[SextantError]) -> None:
    with pytest.raises(kind) as raised:
        parse_payload(payload)
    assert "secret" not in str(raised.value)
