"""HTTP/1.1 to a provider: aiohttp, with a pool of connections."""

import asyncio
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.tracing import Trace

from app.errors import UpstreamFailed
from app.providers.transport import unreachable_in_time

IDLE_S = 30.0  # shorter than the idle timeout of any load balancer that we know of
MAX_HEADER_BYTES = 16 * 1024


class Http1Transport:
    """A transport; see `transport`."""

    def __init__(
        self, *, max_connections: int, connect_timeout_s: float, tls: ssl.SSLContext | None, proxy_url: str | None
    ) -> None:
        self._max_connections = max_connections
        self._connect_timeout_s = connect_timeout_s
        self._tls = tls
        self._proxy_url = proxy_url
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> "Http1Reply":
        session = self._session or self._open()
        with _translated():
            return Http1Reply(
                await session.post(url, data=body, headers=headers, allow_redirects=False, proxy=self._proxy_url)
            )

    async def aclose(self) -> None:
        if self._session:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        """At the first request: a session belongs to the event loop that it is made in."""
        self._session = aiohttp.ClientSession(
            connector=_Connector(
                self._connect_timeout_s,
                limit=self._max_connections,
                keepalive_timeout=IDLE_S,
                ssl=self._tls if self._tls else True,
            ),
            # Waiting for the first token is the dispatcher's business, and so is the whole answer.
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )
        return self._session


class _Connector(aiohttp.TCPConnector):
    """Bounds a new connection as a whole: looking the name up, TCP to one of its addresses, a proxy's consent, TLS.

    aiohttp's own timeouts bound less (`sock_connect`: one address, without the look-up) or more
    (`connect`: the wait for a free place in the pool as well, which says nothing about the provider).
    """

    def __init__(self, timeout_s: float, **options: Any) -> None:
        super().__init__(**options)
        self._timeout_s = timeout_s

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 (aiohttp's signature)
    ) -> ResponseHandler:
        async with asyncio.timeout(self._timeout_s):
            return await super()._create_connection(req, traces, timeout)


class Http1Reply:
    """A reply; see `transport`."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._is_read = False

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return {name.lower(): value for name, value in self._response.headers.items()}

    async def read(self) -> bytes:
        with _translated():
            piece = await self._response.content.readany()
        self._is_read = not piece
        return piece

    def close(self) -> None:
        if self._is_read:
            self._response.release()
        else:
            self._response.close()


@contextmanager
def _translated() -> Iterator[None]:
    """aiohttp's errors as ours. Their text and their cause stay behind: they know the request's headers."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError:
        raise unreachable_in_time() from None
    except aiohttp.ClientConnectorError:
        raise UpstreamFailed("The provider cannot be reached.") from None
    except (aiohttp.ClientError, OSError):
        raise UpstreamFailed("The provider broke the connection off.") from None
