"""HTTP/1.1 to a provider: aiohttp, with a pool of connections."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import aiohttp

from app.errors import UpstreamFailed, UpstreamTimeout

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
            connector=aiohttp.TCPConnector(
                limit=self._max_connections, keepalive_timeout=IDLE_S, ssl=self._tls if self._tls else True
            ),
            # Waiting for the first token is the dispatcher's business, and so is the whole answer.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )
        return self._session


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
        raise UpstreamTimeout("The provider cannot be reached in time.") from None
    except aiohttp.ClientConnectorError:
        raise UpstreamFailed("The provider cannot be reached.") from None
    except (aiohttp.ClientError, OSError):
        raise UpstreamFailed("The provider broke the connection off.") from None
