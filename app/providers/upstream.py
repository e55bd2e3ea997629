"""One provider, as all its models use it: where it is, our key, its errors, and whether it answers."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson

from app.errors import SextantError, UpstreamFailed
from app.providers.failures import error_of_answer, error_of_event
from app.providers.hosted import Health
from app.providers.key import KeyHeaders, ProviderKey
from app.providers.transport import Reply, Transport

MAX_ANSWER_BYTES = 32 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
DRAIN_S = 0.05  # how long a finished stream's connection may take to be free for the next request


class Upstream:
    """Sends requests and raises what goes wrong, in errors of our tree only."""

    def __init__(
        self, transport: Transport, headers: Mapping[str, str], request_id_header: str, key: ProviderKey | None
    ) -> None:
        self._transport = transport
        self._headers = KeyHeaders({**headers, "content-type": "application/json", "accept-encoding": "identity"})
        self._request_id_header = request_id_header
        self._key = key
        self.health = Health()

    @asynccontextmanager
    async def post(self, url: str, payload: dict[str, Any], request_id: str) -> AsyncIterator[Reply]:
        """A reply with status 200, closed at the end of the block; if that is early, the provider stops."""
        headers = KeyHeaders(self._headers)
        headers[self._request_id_header] = request_id
        try:
            reply = await self._transport.post(url, orjson.dumps(payload), headers)
        except SextantError:
            self.health.is_up = False
            raise
        try:
            self.health.is_up = reply.status < 500
            if reply.status != 200:
                raise await self._refusal(reply)
            yield reply
        finally:
            reply.close()

    async def whole(self, url: str, payload: dict[str, Any], request_id: str) -> dict[str, Any]:
        """The JSON object that the provider answers with."""
        async with self.post(url, payload, request_id) as reply:
            return self.parse(await _read_whole(reply, MAX_ANSWER_BYTES))

    def parse(self, data: bytes) -> dict[str, Any]:
        """A JSON object that is no error. Raises UpstreamFailed for what is no object, else the error it tells."""
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise UpstreamFailed("The provider sent what is no JSON.") from None
        if not isinstance(value, dict):
            raise UpstreamFailed("The provider sent what is no JSON object.")
        if value.get("error") or value.get("type") == "error":
            raise error_of_event(value, self._key)
        return value

    async def _refusal(self, reply: Reply) -> SextantError:
        """Apart from whoever raises it: its text may quote our key, and a traceback may show variables."""
        return error_of_answer(reply.status, reply.headers, await _read_whole(reply, MAX_ERROR_BYTES), self._key)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()


async def drain(reply: Reply) -> None:
    """Read a finished stream to its end, if that is at hand: only then is its connection used again."""
    try:
        async with asyncio.timeout(DRAIN_S):
            while await reply.read():
                pass
    except (TimeoutError, UpstreamFailed):
        pass  # the answer was complete; this connection is closed


async def _read_whole(reply: Reply, limit: int) -> bytes:
    body = bytearray()
    while piece := await reply.read():
        body += piece
        if len(body) > limit:
            raise UpstreamFailed(f"The provider's answer is longer than {limit:,} bytes.")
    return bytes(body)
