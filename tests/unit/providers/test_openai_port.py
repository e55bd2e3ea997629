"""Ports in OpenAI's dialect: what is sent, what comes back, how connections are used and given up."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import cast

import pytest

from app.errors import InvalidRequest, UpstreamFailed
from app.providers.sse import MAX_EVENT_BYTES
from tests.provider_double import ProviderDouble
from tests.unit.providers.ports import KEY, chat, chunks_of, port_to, provider_set, said


async def test_a_stream_comes_chunk_by_chunk_with_its_usage(double: ProviderDouble) -> None:
    async with port_to(double.url) as port:
        chunks = await chunks_of(port, chat())
    assert said(chunks) == "the double answers with plain words that anybody "
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"] == {
        "prompt_tokens": 3,
        "completion_tokens": 8,
        "total_tokens": 11,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


async def test_a_whole_answer_comes_as_it_is(double: ProviderDouble) -> None:
    async with port_to(double.url) as port:
        answer = await port.complete("chat", chat(), "r1")
    assert answer["choices"][0]["message"]["content"].startswith("the double answers")
    assert answer["usage"]["total_tokens"] == 11


async def test_text_completions_go_to_their_own_route(double: ProviderDouble) -> None:
    async with port_to(double.url) as port:
        answer = await port.complete("completions", {"model": "m", "prompt": "a b"}, "r1")
        chunks = [c async for c in port.stream("completions", {"model": "m", "prompt": "a b", "stream": True}, "r1")]
    assert double.seen.last
    assert double.seen.last.path == "/v1/completions"
    assert double.seen.last.body["max_tokens"] == 100
    assert answer["object"] == "text_completion"
    assert "".join(choice["text"] for chunk in chunks for choice in chunk["choices"]) == answer["choices"][0]["text"]


async def test_key_request_id_and_further_headers_are_sent(double: ProviderDouble) -> None:
    async with port_to(double.url, headers={"X-Team": "blue"}) as port:
        await port.complete("chat", chat(), "req-7")
    assert double.seen.last
    headers = double.seen.last.headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["x-client-request-id"] == "req-7"
    assert headers["x-team"] == "blue"
    assert headers["content-type"] == "application/json"


async def test_azure_puts_the_deployment_into_the_path_and_the_key_into_its_own_header(double: ProviderDouble) -> None:
    made = provider_set(preset="azure", base_url=double.url, api_version="2024-10-21")
    await made.models["m"].complete("chat", chat(model="my deployment"), "r1")
    await made.aclose()
    assert double.seen.last
    path = "/openai/deployments/my%20deployment/chat/completions?api-version=2024-10-21"
    assert double.seen.last.path == path
    assert double.seen.last.headers["api-key"] == KEY
    assert "authorization" not in double.seen.last.headers


async def test_azures_v1_api_has_openais_paths(double: ProviderDouble) -> None:
    made = provider_set(preset="azure", base_url=f"{double.url}/openai/v1/")
    await made.models["m"].complete("chat", chat(), "r1")
    await made.aclose()
    assert double.seen.last
    assert double.seen.last.path == "/openai/v1/chat/completions"


async def test_tool_calls_stream_through(double: ProviderDouble) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": "weather", "parameters": parameters}}]
    async with port_to(double.url) as port:
        chunks = await chunks_of(port, chat(tools=tools))
    calls = [call for c in chunks for choice in c["choices"] for call in choice["delta"].get("tool_calls", ())]
    assert calls[0]["function"]["name"] == "weather"
    assert "".join(call["function"]["arguments"] for call in calls) == '{"city":"word"}'


async def test_a_stream_is_complete_when_all_its_choices_are() -> None:
    chunk = '{"choices": [{"index": %d, "delta": {}, "finish_reason": %s}]}'
    whole = [chunk % (0, "null"), chunk % (1, "null"), chunk % (0, '"stop"'), chunk % (1, '"stop"')]

    async def two_choices(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        events = "".join(f"data: {data}\n\n" for data in whole)
        writer.write(f"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{events}".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(two_choices, "127.0.0.1", 0) as server:
        port_number = server.sockets[0].getsockname()[1]
        async with port_to(f"http://127.0.0.1:{port_number}") as port:
            assert len(await chunks_of(port, chat())) == 4
            whole.pop()
            with pytest.raises(UpstreamFailed, match="broke the answer off"):
                await chunks_of(port, chat())


async def test_sequential_requests_share_one_connection(double: ProviderDouble) -> None:
    async with port_to(double.url) as port:
        for _ in range(5):
            await chunks_of(port, chat())
            await port.complete("chat", chat(), "r1")
    assert double.seen.connections == 1


async def test_a_paced_stream_gives_its_connection_back() -> None:
    async with ProviderDouble(delay_ms=1) as double, port_to(double.url) as port:
        for _ in range(3):
            await chunks_of(port, chat())
        assert double.seen.connections == 1


async def test_a_stream_whose_end_comes_after_its_done_gives_its_connection_back() -> None:
    connections = []

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        with suppress(asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
                writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\ne\r\ndata: [DONE]\n\n\r\n")
                await asyncio.sleep(0.005)
                writer.write(b"0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(late, "127.0.0.1", 0) as server:
        port_number = server.sockets[0].getsockname()[1]
        async with port_to(f"http://127.0.0.1:{port_number}") as port:
            for _ in range(3):
                await chunks_of(port, chat())
    assert len(connections) == 1


async def test_64_at_once_are_answered_over_no_more_connections_than_allowed() -> None:
    async with ProviderDouble(delay_ms=1) as double, port_to(double.url, max_connections=16) as port:
        streams = await asyncio.gather(*(chunks_of(port, chat(f"prompt {n}")) for n in range(64)))
        assert {said(chunks) for chunks in streams} == {"the double answers with plain words that anybody "}
        assert double.seen.completed == 64
        assert double.seen.connections <= 16


async def test_closing_a_stream_ends_the_generation_at_once() -> None:
    async with ProviderDouble(tokens=1000, delay_ms=10) as double, port_to(double.url) as port:
        stream = cast(AsyncGenerator[dict[str, object], None], port.stream("chat", chat(stream=True), "r1"))
        await anext(stream)
        await stream.aclose()
        await double.seen.until(lambda seen: seen.cancelled == 1, timeout_s=0.2)
        assert double.seen.tokens < 50


@pytest.mark.parametrize("fault", ["hang", "slow_first_token"])
@pytest.mark.parametrize("stream", [False, True])
async def test_cancelling_a_call_that_waits_ends_it_at_once(double: ProviderDouble, fault: str, stream: bool) -> None:
    double.fail(fault, delay_s=30)
    async with port_to(double.url) as port:
        call = asyncio.ensure_future(chunks_of(port, chat()) if stream else port.complete("chat", chat(), "r1"))
        await double.seen.until(lambda seen: seen.requests == 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await double.seen.until(lambda seen: seen.cancelled == 1, timeout_s=0.2)


async def test_a_cancelled_call_does_not_spoil_the_next(double: ProviderDouble) -> None:
    double.fail("stall", count=1)
    async with port_to(double.url) as port:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await chunks_of(port, chat())
        assert said(await chunks_of(port, chat())) == "the double answers with plain words that anybody "


async def test_tokenizing_is_refused(double: ProviderDouble) -> None:
    async with port_to(double.url) as port:
        with pytest.raises(InvalidRequest, match="cannot tokenize"):
            await port.tokenize(chat())


async def test_a_ping_tells_the_last_state_and_asks_nobody(double: ProviderDouble) -> None:
    async with port_to(double.url) as port:
        assert await port.ping()
        await double.stop()
        with pytest.raises(UpstreamFailed, match="cannot be reached"):
            await port.complete("chat", chat(), "r1")
        assert not await port.ping()
        await double.start()
        assert not await port.ping()
        await port.complete("chat", chat(), "r1")
        assert await port.ping()
    assert double.seen.requests == 1


async def test_redirects_are_not_followed() -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 307 Moved\r\nlocation: http://elsewhere.invalid/\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()

    async with await asyncio.start_server(redirect, "127.0.0.1", 0) as server:
        port_number = server.sockets[0].getsockname()[1]
        async with port_to(f"http://127.0.0.1:{port_number}") as port:
            with pytest.raises(UpstreamFailed, match="status 307"):
                await port.complete("chat", chat(), "r1")


async def test_an_event_without_end_is_given_up() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: ")
        while not writer.is_closing():
            writer.write(b"x" * 65536)
            await writer.drain()

    async with await asyncio.start_server(endless, "127.0.0.1", 0) as server:
        port_number = server.sockets[0].getsockname()[1]
        async with port_to(f"http://127.0.0.1:{port_number}") as port:
            with pytest.raises(UpstreamFailed, match=f"{MAX_EVENT_BYTES:,}"):
                await chunks_of(port, chat())
