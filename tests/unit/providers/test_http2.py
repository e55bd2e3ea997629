"""HTTP/2: one connection for many streams, resets that reach the provider, and what breaks."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from app.errors import UpstreamFailed, UpstreamRateLimited
from app.pipeline.ports import ModelPort
from app.providers.http2_connection import CONNECTION_WINDOW, STREAM_WINDOW
from tests.unit.providers.http2_server import Http2Server, serving, serving_http1
from tests.unit.providers.ports import KEY, chat, chunks_of, port_to, said

WORDS = "word " * 8


@asynccontextmanager
async def port_over(server: Http2Server, directory: Path, **settings: Any) -> AsyncIterator[ModelPort]:
    async with (
        serving(server, directory) as url,
        port_to(url, ca_file=str(directory / "ca.pem"), **settings) as port,
    ):
        yield port


async def test_64_streams_share_one_connection(tmp_path: Path) -> None:
    server = Http2Server(delay_s=0.001)
    async with port_over(server, tmp_path) as port:
        streams = await asyncio.gather(*(chunks_of(port, chat()) for _ in range(64)))
        assert {said(chunks) for chunks in streams} == {WORDS}
        assert len(server.connections) == 1
        assert len(server.requests) == 64


async def test_headers_path_and_body_arrive(tmp_path: Path) -> None:
    server = Http2Server()
    async with port_over(server, tmp_path) as port:
        await chunks_of(port, chat("long " * 300_000))
    headers, body = server.requests[0]
    assert headers[":path"] == "/v1/chat/completions"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["content-length"] == str(len(body))
    assert len(orjson.loads(body)["messages"][0]["content"]) == 1_500_000


async def test_closing_a_stream_resets_it_at_once_and_leaves_the_connection_to_the_others(tmp_path: Path) -> None:
    server = Http2Server(tokens=100, delay_s=0.005)
    async with port_over(server, tmp_path) as port:
        other = asyncio.create_task(chunks_of(port, chat()))
        stream = cast(AsyncGenerator[dict[str, Any], None], port.stream("chat", chat(stream=True), "r1"))
        await anext(stream)
        await stream.aclose()
        async with asyncio.timeout(0.2):
            await server.reset.wait()
        assert said(await other) == "word " * 100
        assert len(server.connections) == 1


async def test_streams_that_were_answered_before_they_were_sent_do_not_fill_the_connection(tmp_path: Path) -> None:
    server = Http2Server(streams_allowed=3)
    server.refuses_early = True
    async with port_over(server, tmp_path) as port, asyncio.timeout(10):
        for _ in range(10):
            with pytest.raises(UpstreamRateLimited):
                await chunks_of(port, chat("long " * 30_000))
        server.refuses_early = False
        assert said(await chunks_of(port, chat())) == WORDS
        assert (server.resets, len(server.connections)) == (10, 1)


async def test_a_stream_that_was_sent_and_answered_is_not_reset(tmp_path: Path) -> None:
    server = Http2Server()
    async with port_over(server, tmp_path) as port:
        await chunks_of(port, chat("long " * 30_000))
        await chunks_of(port, chat())
        assert (server.resets, len(server.connections)) == (0, 1)


async def test_cancelling_a_call_that_waits_resets_it_at_once(tmp_path: Path) -> None:
    server = Http2Server()
    server.is_silent = True
    async with port_over(server, tmp_path) as port:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await chunks_of(port, chat())
        async with asyncio.timeout(0.2):
            await server.reset.wait()


async def test_what_given_up_streams_left_unread_does_not_fill_the_connection(tmp_path: Path) -> None:
    server = Http2Server(tokens=150, word=b"x" * 10_000)  # more than the window of a stream
    async with port_over(server, tmp_path) as port, asyncio.timeout(10):
        for _ in range(CONNECTION_WINDOW // STREAM_WINDOW + 4):
            stream = cast(AsyncGenerator[dict[str, Any], None], port.stream("chat", chat(stream=True), "r1"))
            await anext(stream)
            await server.stalled.wait()
            await asyncio.sleep(0.01)  # until what is on its way has arrived; nobody reads it
            await stream.aclose()
            server.stalled.clear()
        assert len(await chunks_of(port, chat())) == 151
        assert len(server.connections) == 1


async def test_more_streams_than_a_connection_takes_open_another(tmp_path: Path) -> None:
    server = Http2Server(streams_allowed=10, delay_s=0.002, settings_delay_s=0.05)
    async with port_over(server, tmp_path, max_connections=3) as port:
        streams = await asyncio.gather(*(chunks_of(port, chat()) for _ in range(40)))
        assert {said(chunks) for chunks in streams} == {WORDS}
        assert len(server.connections) == 3


async def test_a_connection_that_breaks_fails_its_streams_and_is_replaced(tmp_path: Path) -> None:
    server = Http2Server(tokens=1000, delay_s=0.002)
    async with port_over(server, tmp_path) as port:

        async def drop(_: dict[str, Any]) -> None:
            server.drop()

        with pytest.raises(UpstreamFailed, match="broke the connection off"):
            await chunks_of(port, chat(), drop)
        server.tokens = 8
        assert said(await chunks_of(port, chat())) == WORDS
        assert len(server.connections) == 2


async def test_after_a_goaway_open_streams_end_well_and_new_ones_go_elsewhere(tmp_path: Path) -> None:
    server = Http2Server(tokens=50, delay_s=0.002)
    async with port_over(server, tmp_path) as port:
        stream = port.stream("chat", chat(stream=True), "r1")
        chunks = [await anext(stream)]
        server.drop(goaway=True)
        chunks.append(await anext(stream))
        assert said(await chunks_of(port, chat())) == "word " * 50
        assert len(server.connections) == 2
        assert said(chunks + [chunk async for chunk in stream]) == "word " * 50


async def test_a_host_without_http2_is_spoken_to_in_http1(tmp_path: Path) -> None:
    body = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}'
    answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    async with serving_http1(answer, tmp_path) as url, port_to(url, ca_file=str(tmp_path / "ca.pem")) as port:
        for _ in range(2):
            answered = await port.complete("chat", chat(), "r1")
            assert answered["choices"][0]["message"]["content"] == "hi"


async def test_a_connection_whose_settings_do_not_come_in_time_is_closed(tmp_path: Path) -> None:
    server = Http2Server(settings_delay_s=30)
    async with port_over(server, tmp_path, connect_timeout_s=0.5) as port:
        with pytest.raises(UpstreamFailed, match="in time"):
            await chunks_of(port, chat())
        async with asyncio.timeout(0.2):
            await server.lost.wait()


async def test_a_connection_whose_settings_are_waited_for_is_closed_with_the_port(tmp_path: Path) -> None:
    server = Http2Server(settings_delay_s=30)
    async with serving(server, tmp_path) as url:
        async with port_to(url, ca_file=str(tmp_path / "ca.pem")) as port:
            call = asyncio.create_task(chunks_of(port, chat()))
            async with asyncio.timeout(5):
                await server.made.wait()
            await asyncio.sleep(0.05)
        async with asyncio.timeout(0.2):
            await server.lost.wait()
        with pytest.raises(asyncio.CancelledError):
            await call


@pytest.mark.parametrize("http2", [True, False])
async def test_a_certificate_of_nobody_we_trust_is_a_failure(tmp_path: Path, http2: bool) -> None:
    server = Http2Server()
    async with serving(server, tmp_path) as url, port_to(url, http2=http2) as port:
        with pytest.raises(UpstreamFailed, match="cannot be reached"):
            await chunks_of(port, chat())
    assert not server.requests


async def test_a_burst_at_a_dead_host_fails_together(tmp_path: Path) -> None:
    async with serving(Http2Server(), tmp_path) as url:
        pass
    async with port_to(url, ca_file=str(tmp_path / "ca.pem")) as port:
        failed = await asyncio.gather(*(chunks_of(port, chat()) for _ in range(20)), return_exceptions=True)
        assert {type(error) for error in failed} == {UpstreamFailed}
