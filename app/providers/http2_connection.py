"""One HTTP/2 connection to a provider: many requests at once, each a stream that can be reset.

The state machine is the `h2` library's; this adds the socket, flow control in both directions, and
waiting. See `transport` for why no ready-made client serves.
"""

import asyncio
from collections.abc import Iterable
from typing import cast

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from app.errors import UpstreamFailed
from app.providers.http2_stream import Http2Stream

MAX_HEADER_BYTES = 64 * 1024
STREAM_WINDOW = 1024 * 1024  # bytes that a provider may send ahead of whoever reads
CONNECTION_WINDOW = 16 * 1024 * 1024
MAX_STREAMS = 100  # at once; the least that RFC 9113 recommends a server to allow
SILENCE_S = 5.0


class _StateMachine(h2.connection.H2ConnectionStateMachine):
    """Lets what is open go on after a GOAWAY, as RFC 9113 section 6.8 has it and load balancers do it.

    The library takes a GOAWAY for the end of everything (python-hyper/h2 issue 1181).
    """

    def __init__(self) -> None:
        super().__init__()
        opened, told_to_go = h2.connection.ConnectionState.CLIENT_OPEN, h2.connection.ConnectionInputs.RECV_GOAWAY
        self._transitions = {**self._transitions, (opened, told_to_go): (None, opened)}


class Http2Connection(asyncio.Protocol):
    """The protocol of one socket. The methods without docstring are asyncio's."""

    def __init__(self) -> None:
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self._h2 = h2.connection.H2Connection(config)
        self._h2.state_machine = _StateMachine()
        self._h2.local_settings = h2.settings.Settings(
            client=True,
            initial_values={
                h2.settings.SettingCodes.ENABLE_PUSH: 0,
                h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
                h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_BYTES,
            },
        )
        self._streams: dict[int, Http2Stream] = {}
        self._writable = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._takes_more = True
        self.is_http2 = False
        """Whether TLS agreed on HTTP/2. If not, nothing is sent, and the connection is of no use."""
        self.is_ready = asyncio.Event()
        """Set when the provider has told its settings, which it does first (RFC 9113 section 3.4), or is gone."""
        self._last_received = self.last_used = self._loop.time()

    @property
    def has_room(self) -> bool:
        """Whether another stream can be opened now."""
        return self._takes_more and len(self._streams) < min(
            MAX_STREAMS, self._h2.remote_settings.max_concurrent_streams
        )

    @property
    def is_open(self) -> bool:
        """Whether it will take streams, now or later."""
        return self._takes_more

    @property
    def is_idle(self) -> bool:
        """Whether nobody uses it."""
        return not self._streams

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._writable.set()
        tls = transport.get_extra_info("ssl_object")
        self.is_http2 = tls is not None and tls.selected_alpn_protocol() == "h2"
        if self.is_http2:
            self._h2.initiate_connection()
            self._h2.increment_flow_control_window(CONNECTION_WINDOW)
            self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._takes_more = False
        self._writable.set()
        self.is_ready.set()
        for stream in tuple(self._streams.values()):
            stream.fail()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._last_received = self._loop.time()
        try:
            events = self._h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            self.flush()  # says why
            self.close()
            return
        for event in events:
            self._take(event)
        self.flush()

    def open_stream(self, headers: Iterable[tuple[str, str]]) -> Http2Stream:
        """Begin a request. Raises UpstreamFailed when the connection has no room after all."""
        try:
            stream_id = self._h2.get_next_available_stream_id()
            self._h2.send_headers(stream_id, headers)
        except h2.exceptions.H2Error:
            self.retire()
            raise UpstreamFailed("The provider broke the connection off.") from None
        stream = self._streams[stream_id] = Http2Stream(self, stream_id, self._loop.time())
        self.flush()
        return stream

    async def send_body(self, stream: Http2Stream, body: bytes) -> None:
        """Send a request's body, as fast as the provider's windows allow."""
        view = memoryview(body)
        while view:
            room = min(self._h2.local_flow_control_window(stream.id), self._h2.max_outbound_frame_size, len(view))
            if room <= 0:
                await stream.wait()
            else:
                stream.is_sent = room == len(view)
                self._h2.send_data(stream.id, bytes(view[:room]), end_stream=stream.is_sent)
                view = view[room:]
                self.flush()
                await self._writable.wait()
            if stream.is_over:  # answered or reset before it was all sent
                return

    def acknowledge(self, stream_id: int, size: int) -> None:
        """Let the provider send that much more, on the stream and on the connection."""
        self._h2.acknowledge_received_data(size, stream_id)
        self.flush()

    def finish(self, stream: Http2Stream) -> None:
        """Be done with a stream; reset it if it is not over, so that the provider stops.

        So is one that was answered before it was all sent: half open it would count among the streams for ever.
        One that is given up after `SILENCE_S` without a byte on the whole connection takes that out of
        use: a router may have forgotten it, and every further request would wait in vain.
        """
        self._streams.pop(stream.id, None)
        self.last_used = self._loop.time()
        if not (stream.is_over and stream.is_sent):
            try:
                self._h2.reset_stream(stream.id, h2.errors.ErrorCodes.CANCEL)
            except h2.exceptions.H2Error:
                self.retire()
            self.flush()
            if not stream.is_over and self.last_used - max(self._last_received, stream.opened_at) > SILENCE_S:
                self.retire()
        if not self._takes_more and not self._streams:
            self.close()

    def retire(self) -> None:
        """No further streams; those that are open go on."""
        self._takes_more = False

    def close(self) -> None:
        """Close the socket; what is open on it fails."""
        self._takes_more = False
        self._transport.close()

    def flush(self) -> None:
        """Send what the state machine has to say."""
        if (data := self._h2.data_to_send()) and not self._transport.is_closing():
            self._transport.write(data)

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            self._takes_more = False
            for stream in tuple(self._streams.values()):
                if event.last_stream_id is not None and stream.id > event.last_stream_id:
                    stream.fail()
            if not self._streams:
                self.close()
            return
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self.is_ready.set()
        stream_id = getattr(event, "stream_id", None)
        if not stream_id:  # settings, or a window of the connection: there may be room to send
            for stream in self._streams.values():
                stream.wake()
            return
        if found := self._streams.get(stream_id):
            found.take(event)
