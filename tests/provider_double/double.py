"""The double itself: settings, faults, counts, and the socket that it listens on."""

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.provider_double.connection import Connection
from tests.provider_double.faults import Fault, FaultBox
from tests.provider_double.prompt_cache import PromptCache
from tests.provider_double.seen import Seen


class ProviderDouble:
    """A hosted provider, in this process or behind `python -m tests.provider_double`.

    `tokens`: length of an answer, unless the request allows fewer. `delay_ms`: between two tokens. `varied`:
    another question gets another answer. `key`: the only key that it accepts; None: any. `cached_tokens`: how
    many of a prompt's tokens it reports as found in its cache; what a client marks for Anthropic's cache is
    counted by itself. `seed`: of the dice that faults with a share throw.
    """

    def __init__(
        self,
        *,
        tokens: int = 8,
        delay_ms: float = 0,
        key: str | None = None,
        cached_tokens: int = 0,
        varied: bool = False,
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        unix: Path | None = None,
    ) -> None:
        self.tokens = tokens
        self.delay_s = delay_ms / 1000
        self.key = key
        self.cached_tokens = cached_tokens
        self.varied = varied
        self.prompt_cache = PromptCache()
        self.seen = Seen()
        self.faults = FaultBox(seed)
        self._host, self._port, self._unix = host, port, unix
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Its address, without a path: OpenAI's clients want `/v1` behind it."""
        return f"http://{self._host}:{self._port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; after a `stop`, at the same address as before."""
        loop = asyncio.get_running_loop()

        def connection() -> Connection:
            return Connection(self, self._connections)

        if self._unix:
            self._server = await loop.create_unix_server(connection, self._unix, backlog=1024)
            return
        self._server = await loop.create_server(connection, self._host, self._port, backlog=1024)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Die: nobody listens any more, and every connection is cut."""
        if self._server:
            self._server.close()
            self._server = None
        for connection in tuple(self._connections):
            connection.close()
        await self.seen.until(lambda seen: seen.open == 0)

    async def serve_forever(self) -> None:
        """Listen until cancelled."""
        assert self._server
        await self._server.serve_forever()

    def fail(
        self,
        kind: str,
        *,
        share: float = 1.0,
        count: int | None = None,
        model: str | None = None,
        retry_after_s: float | None = None,
        delay_s: float = 1.0,
    ) -> None:
        """Let requests fail; see `faults`. Further faults come after those that are set."""
        self.faults.add(Fault(kind, share, count, model, retry_after_s, delay_s))

    def heal(self) -> None:
        """No more faults."""
        self.faults.clear()

    def control(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        """The route `/control`: sets or clears faults, and tells the counts. Raises TypeError and ValueError."""
        if method == "POST":
            settings = dict(body)
            if "tokens" in settings:
                self.tokens = int(settings.pop("tokens"))
            if "delay_ms" in settings:
                self.delay_s = float(settings.pop("delay_ms")) / 1000
            if "fault" in settings and (kind := settings.pop("fault")) is not None:
                self.fail(str(kind), **settings)
            elif settings:
                raise ValueError(f"unknown: {', '.join(settings)}")
            elif body.get("fault", "") is None:
                self.heal()
        return self.seen.to_wire()
