"""A provider that speaks HTTP/2 over TLS: streams tokens, and notes which streams were reset."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import h2.config
import h2.connection
import h2.events
import h2.settings
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hyperframe.frame import GoAwayFrame

CHUNK = b'data: {"choices": [{"index": 0, "delta": {"content": "%b"}, "finish_reason": null}]}\n\n'
LAST = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


class Http2Server:
    """What happens: `tokens` chunks of one word, `delay_s` apart; `streams_allowed` at once on a connection,
    which is told `settings_delay_s` after it is made."""

    def __init__(
        self,
        *,
        tokens: int = 8,
        word: bytes = b"word ",
        delay_s: float = 0,
        streams_allowed: int = 100,
        settings_delay_s: float = 0,
    ) -> None:
        self.tokens = tokens
        self.word = word
        self.delay_s = delay_s
        self.streams_allowed = streams_allowed
        self.settings_delay_s = settings_delay_s
        self.connections: list[_Connection] = []
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.reset = asyncio.Event()
        self.stalled = asyncio.Event()  # a stream waits for its window
        self.made = asyncio.Event()  # a connection
        self.lost = asyncio.Event()  # the same
        self.is_silent = False
        self.refuses_early = False  # with status 429, once the headers are there, and without a reset
        self.resets = 0

    def drop(self, *, goaway: bool = False) -> None:
        """Cut all connections, or announce that no more streams are taken on them."""
        for connection in self.connections:
            connection.leave(goaway=goaway)


class _Connection(asyncio.Protocol):
    def __init__(self, server: Http2Server) -> None:
        self._server = server
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self._h2.local_settings = h2.settings.Settings(
            client=False, initial_values={h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: server.streams_allowed}
        )
        self._received: dict[int, tuple[dict[str, str], bytearray]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._windows = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.append(self)
        self._server.made.set()
        asyncio.get_running_loop().call_later(self._server.settings_delay_s, self._begin)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.lost.set()
        for task in self._tasks.values():
            task.cancel()

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                headers = dict(cast(list[tuple[str, str]], event.headers))
                self._received[event.stream_id] = (headers, bytearray())
                if self._server.refuses_early:
                    self._h2.send_headers(event.stream_id, [(":status", "429")], end_stream=True)
            elif isinstance(event, h2.events.DataReceived):
                self._received[event.stream_id][1].extend(event.data)
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self._tasks[event.stream_id] = asyncio.create_task(self._answer(event.stream_id))
            elif isinstance(event, h2.events.StreamReset):
                if task := self._tasks.get(event.stream_id):
                    task.cancel()
                self._server.reset.set()
                self._server.resets += 1
            elif isinstance(event, h2.events.WindowUpdated):
                self._windows.set()
        self._flush()

    def leave(self, *, goaway: bool) -> None:
        if not goaway:
            self._transport.abort()
            return
        # By hand: the library would let nothing follow.
        self._transport.write(GoAwayFrame(0, last_stream_id=self._h2.highest_inbound_stream_id).serialize())

    def _begin(self) -> None:
        self._h2.initiate_connection()
        self._flush()

    async def _answer(self, stream_id: int) -> None:
        headers, body = self._received[stream_id]
        self._server.requests.append((headers, bytes(body)))
        if self._server.is_silent:
            await asyncio.Future()
        self._h2.send_headers(stream_id, [(":status", "200"), ("content-type", "text/event-stream")])
        self._flush()
        for piece in (*[CHUNK % self._server.word] * self._server.tokens, LAST):
            if self._server.delay_s:
                self._h2.send_data(stream_id, b"")  # allowed, and no end
                self._flush()
                await asyncio.sleep(self._server.delay_s)
            while self._h2.local_flow_control_window(stream_id) < len(piece):
                self._windows.clear()
                self._server.stalled.set()
                await self._windows.wait()
            self._h2.send_data(stream_id, piece)
            self._flush()
        self._h2.end_stream(stream_id)
        self._flush()

    def _flush(self) -> None:
        self._transport.write(self._h2.data_to_send())


@asynccontextmanager
async def serving(server: Http2Server, directory: Path) -> AsyncIterator[str]:
    """Run it; yields its URL. Its certificate's authority is `ca.pem` in the directory."""
    context = _context(directory)
    context.set_alpn_protocols(["h2"])
    running = await asyncio.get_running_loop().create_server(
        lambda: _Connection(server), "127.0.0.1", 0, ssl=context, backlog=512
    )
    async with running:
        yield f"https://127.0.0.1:{running.sockets[0].getsockname()[1]}"
        server.drop()


@asynccontextmanager
async def serving_http1(answer: bytes, directory: Path) -> AsyncIterator[str]:
    """A TLS server that knows HTTP/1.1 alone, and gives every request the same bytes."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):  # whoever wanted HTTP/2 leaves at once
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
            writer.write(answer)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1", 0, ssl=_context(directory)) as running:
        yield f"https://127.0.0.1:{running.sockets[0].getsockname()[1]}"


def _context(directory: Path) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "provider double")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (directory / "ca.pem").write_bytes(pem)
    (directory / "server.pem").write_bytes(secret + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem")
    return context
