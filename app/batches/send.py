"""Requests of a batch go to the gateway over HTTP, as any client's: limits, budgets, rails and the ledger apply."""

import logging
import time
from collections.abc import Callable
from typing import Any

import httpx
import orjson

from app.batches.answer import Answer, request_name
from app.batches.lines import Line
from app.batches.types import Batch
from app.errors import BatchTokenExpired, InvalidRequest, SextantError, Unavailable, UpstreamFailed, UpstreamTimeout

logger = logging.getLogger(__name__)

IssueToken = Callable[[Batch, float], str]
TOKEN_TTL_S = 900.0


class GatewaySender:
    """Sends one request, once. Whatever happens is an `Answer`."""

    def __init__(self, client: httpx.AsyncClient, issue_token: IssueToken) -> None:
        """`client` has the gateway's address (without /v1) and its timeouts. `issue_token` makes an API key
        that speaks for the batch's key for so many seconds; a fresh one is taken at half of that."""
        self._client = client
        self._issue_token = issue_token
        self._token = ""
        self._issued_s, self._issued_monotonic_s = 0.0, 0.0

    async def __call__(self, batch: Batch, line: Line) -> Answer:
        try:
            content = orjson.dumps(line.body)
        except orjson.JSONEncodeError:
            # Of what it reads it writes all but the deepest, which the gateway would refuse as well.
            return _failed(InvalidRequest("The body is nested too deep.", param="body"))
        answer = await self._post(batch, line, content)
        if _is_too_late(answer):
            # A clock was set, or the machine slept between the look at the clock and the request.
            self._token = ""
            answer = await self._post(batch, line, content)
        if _is_too_late(answer):
            # No mistake of the line, whose 401 would stand: it waits, as for a gateway that is away.
            logger.warning("batch %s: the gateway's clock is ahead of this machine's", batch.id)
            return _failed(Unavailable("The clocks of the gateway and of the batch's job disagree."))
        return answer

    async def _post(self, batch: Batch, line: Line, content: bytes) -> Answer:
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
        """The token, a fresh one at half of its life by either clock.

        It expires by the wall clock, which goes on while the machine sleeps and which may be set; after a step
        back only the other one tells how old it is on a gateway elsewhere.
        """
        fresh_s = TOKEN_TTL_S / 2
        is_fresh = 0 <= time.time() - self._issued_s < fresh_s and time.monotonic() - self._issued_monotonic_s < fresh_s
        if not self._token or not is_fresh:
            self._token = self._issue_token(batch, TOKEN_TTL_S)
            self._issued_s, self._issued_monotonic_s = time.time(), time.monotonic()
        return self._token


def _is_too_late(answer: Answer) -> bool:
    return answer.status == BatchTokenExpired.status and answer.code == BatchTokenExpired.code


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
