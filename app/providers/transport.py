"""What carries a request to a provider and its answer back.

Which client library, measured on 2 cores (AMD EPYC, Python 3.11, uvloop) against
`tests.provider_double` in a process of its own, streamed answers of 8 tokens, connections
kept open, 3,200 requests; p50 of one client, CPU time of the client per request, and requests/s of
16 clients in one process:

| library | one client | CPU | 16 clients |
| --- | --- | --- | --- |
| httpx 0.28.1 | 0.35 ms | 0.37 ms | 1,220/s |
| httpx2 2.16.2 | 0.32 ms | 0.32 ms | 2,870/s |
| httpcore 1.0.9 | 0.22 ms | 0.23 ms | 1,560/s |
| httpcore2 2.16.2 | 0.22 ms | 0.23 ms | 3,910/s |
| aiohttp 3.14.5 | 0.085 ms | 0.060 ms | 14,300/s |

So aiohttp carries HTTP/1.1. It has no HTTP/2, and the others' HTTP/2 never resets a stream: a
generation that nobody waits for any more would go on (encode/httpcore pull requests 944 and 1098). So
HTTP/2 is `http2`, on the `h2` library.
"""

from collections.abc import Mapping
from typing import Protocol

from app.errors import UpstreamFailed


class Reply(Protocol):
    """An answer that has begun."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""
        ...

    async def read(self) -> bytes:
        """The next bytes of the body; empty at its end. Raises UpstreamFailed when it is cut."""
        ...

    def close(self) -> None:
        """Be done with it. If its end was not read, the provider is told at once to stop."""
        ...


class Transport(Protocol):
    """Connections to one provider."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send a request, wait for the head of its answer; redirects are not followed.

        Raises UpstreamFailed when there is no answer; see `unreachable_in_time` for the connect timeout.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


def unreachable_in_time() -> UpstreamFailed:
    """The error past the connect timeout.

    No UpstreamTimeout: that one is said of a model that may have been at work, is owed for the prompt, and is
    not asked again. Here nothing was sent.
    """
    return UpstreamFailed("The provider cannot be reached in time.")
