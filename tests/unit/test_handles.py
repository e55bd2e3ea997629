"""Ray's errors become ours at one boundary, whichever way a call is made."""

from typing import Any

import pytest
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from app.errors import ContextTooLong, InvalidRequest, SextantError, Unavailable, UpstreamFailed
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
