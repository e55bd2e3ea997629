"""Requests of a batch go to the gateway over HTTP, as any client's: limits, budgets, rails and the ledger apply."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import orjson

from app.batches.answer import Answer, request_name
from app.batches.lines import Line
from app.batches.types import Batch
from app.errors import InvalidRequest, SextantError, Unavailable, UpstreamFailed, UpstreamTimeout

IssueToken = Callable[[Batch, float], str]
TOKEN_TTL_S = 900.0


class GatewaySender:
    """Sends one request, once. Whatever happens is an `Answer`."""

    def __init__(self, client: httpx.AsyncClient, issue_token: IssueToken) -> None:
        """`client` has the gateway's address (without /v1) and its timeouts. `issue_token` makes an API key
        that speaks for the batch's key for so many seconds; a fresh one is taken at half of that."""
        self._client = client
        self._issue_token = issue_token
        self._token, self._renew_at = "", 0.0

    async def __call__(self, batch: Batch, line: Line) -> Answer:
        try:
            content = orjson.dumps(line.body)
        except orjson.JSONEncodeError:
            # Of what it reads it writes all but the deepest, which the gateway would refuse as well.
            return _failed(InvalidRequest("The body is nested too deep.", param="body"))
        headers = {
            "authorization": f"Bearer {self._token_of(batch)}",
            "content-type": "application/json",
            "x-request-id": request_name(batch.id, line),
        }
        try:
            response = await self._client.post(line.url, content=content, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            # Not executed, so it costs nothing to wait for a gateway that restarts.
            return _failed(Unavailable("The gateway cannot be reached."))
        except httpx.TimeoutException:
            return _failed(UpstreamTimeout("The gateway did not answer in time."))
        except httpx.HTTPError:
            return _failed(UpstreamFailed("The connection to the gateway broke."))
        return Answer(
            response.status_code,
            _body(response),
            response.headers.get("x-request-id", ""),
            _seconds(response.headers.get("retry-after")),
        )

    def _token_of(self, batch: Batch) -> str:
        if time.monotonic() >= self._renew_at:
            self._token = self._issue_token(batch, TOKEN_TTL_S)
            self._renew_at = time.monotonic() + TOKEN_TTL_S / 2
        return self._token


def _body(response: httpx.Response) -> Any:
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        # A proxy's page: none of the client's business.
        return UpstreamFailed("The gateway's answer could not be read.").to_wire()


def _failed(error: SextantError) -> Answer:
    return Answer(error.status, error.to_wire())


def _seconds(retry_after: str | None) -> float | None:
    """A `Retry-After` in seconds; the gateway sends no dates."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else None
