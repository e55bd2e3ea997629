"""Ray's errors become ours at one boundary, whichever way a call is made."""

import asyncio
from collections.abc import Callable, Generator
from types import SimpleNamespace
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
from deployments import handles
from deployments.handles import GuardHandle, ModelHandle, parse_payload


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


class BusyHandle(FakeHandle):
    """Its pings wait behind requests, or raise; its requests are answered."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__(StopAsyncIteration())
        self.ping = self.examine = self
        self.ping_error = error
        self.answers = [b"{}"]

    async def __anext__(self) -> bytes:
        if not self.answers:
            raise self.error
        return self.answers.pop()

    def __await__(self) -> Generator[Any, None, bool]:
        return self._pinged().__await__()

    async def _pinged(self) -> bool:
        if self.ping_error:
            raise self.ping_error
        await asyncio.Event().wait()
        return True


FULL = BackPressureError(num_queued_requests=9, max_queued_requests=8)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handles, "PING_S", 0.01)


@pytest.mark.parametrize("port", [ModelHandle, lambda handle: GuardHandle(handle, 1000)])
async def test_a_deployment_whose_queue_is_full_is_up(port: Callable[[Any], ModelHandle | GuardHandle]) -> None:
    assert await port(BusyHandle(FULL)).ping()


@pytest.mark.usefixtures("impatient")
async def test_a_model_that_has_no_time_for_pings_is_up_while_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    handle = BusyHandle()
    model = ModelHandle(handle)
    assert not await model.ping()
    assert handle.cancelled == 1
    await model.complete("chat", {"model": "m"}, "id")
    assert await model.ping()
    monkeypatch.setattr(handles, "LATELY_S", 0.0)
    assert not await model.ping()


@pytest.mark.usefixtures("impatient")
async def test_a_model_that_a_request_has_found_away_is_down_at_once() -> None:
    handle = BusyHandle()
    model = ModelHandle(handle)
    await model.complete("chat", {"model": "m"}, "id")
    handle.error = RayActorError()
    with pytest.raises(Unavailable):
        await model.complete("chat", {"model": "m"}, "id")
    assert not await model.ping()


@pytest.mark.usefixtures("impatient")
async def test_so_is_one_that_a_ping_has_found_away() -> None:
    handle = BusyHandle()
    model = ModelHandle(handle)
    await model.complete("chat", {"model": "m"}, "id")
    handle.ping_error = RayActorError()
    with pytest.raises(Unavailable):
        await model.ping()
    handle.ping_error = None
    assert not await model.ping()


@pytest.mark.usefixtures("impatient")
async def test_a_guard_that_has_no_time_for_pings_is_up_while_it_examines() -> None:
    handle = BusyHandle()
    guard = GuardHandle(handle, 1000)
    assert not await guard.ping()

    async def examined() -> list[Any]:
        return []

    handle.__dict__["examine"] = SimpleNamespace(remote=lambda *_: examined())
    await guard.examine("default", [])
    assert await guard.ping()


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
