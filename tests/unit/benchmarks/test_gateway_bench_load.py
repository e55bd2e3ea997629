"""The load generator and the provider: what is timed is a real, whole, provider's answer, or there is no result."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.gateway import load, provider
from benchmarks.gateway.client import BadAnswer, Client
from benchmarks.gateway.load import Job, run
from benchmarks.gateway.prompts import CHARACTERS, Size, prompt
from benchmarks.gateway.wire import ChunkedBody, header

CHAT = "/v1/chat/completions"
QUESTION: dict[str, Any] = {"model": "bench", "messages": [{"role": "user", "content": "Hi."}]}


def port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


@asynccontextmanager
async def the_provider() -> AsyncIterator[str]:
    server = await provider.serve(0)
    try:
        yield f"http://127.0.0.1:{port_of(server)}"
    finally:
        server.close()


@asynccontextmanager
async def answering(*parts: bytes, close: bool = False) -> AsyncIterator[int]:
    """A server that gives everybody these bytes, one part after the other; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            for part in parts:
                writer.write(part)
                await writer.drain()
            if close:
                break
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield port_of(server)
    finally:
        server.close()


def job(url: str, *, stream: bool = False, size: Size = Size.SHORT, clients: int = 2) -> Job:
    return Job(f"{url}{CHAT}", "bench", {"x-key": "k"}, stream, size, clients, 0.05, 0.2, "r", 0)


async def count(url: str) -> int:
    async with httpx.AsyncClient() as client:
        return int((await client.get(f"{url}/count")).json()["chat_requests"])


async def test_official_client_reads_whole_and_streamed_answers_of_the_provider() -> None:
    async with the_provider() as url, openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
        whole = await client.chat.completions.create(**QUESTION)
        assert whole.choices[0].message.content == provider.ANSWER
        assert whole.usage is not None
        assert whole.usage.completion_tokens == 9
        stream = await client.chat.completions.create(**QUESTION, stream=True, stream_options={"include_usage": True})
        chunks = [chunk async for chunk in stream]
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == provider.ANSWER
        assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
        assert chunks[-1].usage == whole.usage
        assert await count(url) == 2


async def test_provider_reads_requests_that_arrive_byte_by_byte_or_together() -> None:
    body = json.dumps(QUESTION).encode()
    request = b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (CHAT.encode(), len(body), body)
    async with the_provider() as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
        for byte in request:
            writer.write(bytes([byte]))
            await writer.drain()
        assert await reader.readexactly(len(provider.WHOLE)) == provider.WHOLE
        writer.write(request * 3)
        assert await reader.readexactly(3 * len(provider.WHOLE)) == provider.WHOLE * 3
        writer.close()
        assert await count(url) == 4


@pytest.mark.parametrize("stream", [False, True])
async def test_every_request_that_the_load_generator_sends_reaches_the_provider_once(stream: bool) -> None:
    async with the_provider() as url:
        result = await run(job(url, stream=stream, size=Size.LONG, clients=5))
        assert result.errors == 0
        assert result.sent == await count(url)
        # What ended in the warm-up, or after the time was over, was sent but is not in the result.
        assert 0 < result.measured == len(result.totals_ms) < result.sent
        assert all(0 < f <= t for f, t in zip(result.first_words_ms, result.totals_ms, strict=True))


async def test_a_connection_that_the_server_will_close_is_opened_anew() -> None:
    async with answering(provider.WHOLE.replace(b"\r\n", b"\r\nConnection: Close\r\n", 1), close=True) as port:
        result = await run(job(f"http://127.0.0.1:{port}", clients=1))
        assert result.errors == 0
        assert result.measured > 1


BAD_ANSWERS = {
    "error": provider.WHOLE.replace(b"200 OK", b"500 Oh"),
    "other words": provider.WHOLE.replace(b"The gateway", b"Some person"),
    "no end of the words": provider.WHOLE.replace(b"short answer", b"short absent"),
    "no reason of its end": provider.WHOLE.replace(b'"stop"', b'"quit"'),
    "not chunked": provider.STREAM[0] + b"no number\r\n",
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
async def test_anything_but_the_providers_answer_is_an_error(answer: bytes) -> None:
    async with answering(answer) as port:
        result = await run(job(f"http://127.0.0.1:{port}", clients=1))
        assert (result.errors, result.sent, result.measured) == (1, 1, 0)
        assert result.first_error


async def test_a_stream_that_breaks_off_is_an_error() -> None:
    async with answering(*provider.STREAM[:4], close=True) as port:
        client = await Client.connect("127.0.0.1", port)
        with pytest.raises(BadAnswer, match="connection closed"):
            await client.ask(b"GET / HTTP/1.1\r\n\r\n")


async def test_a_server_that_is_not_there_is_an_error() -> None:
    async with answering() as port:
        pass
    result = await run(job(f"http://127.0.0.1:{port}", clients=3))
    assert (result.errors, result.sent) == (3, 0)


async def test_a_server_that_never_answers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_PATIENCE_S", 0.1)
    async with answering() as port:
        result = await load.run(replace(job(f"http://127.0.0.1:{port}"), measure_s=0.01))
    assert (result.errors, result.measured) == (1, 0)
    assert result.first_error == "no answer for 0.1 s or more"


async def test_first_word_is_timed_when_it_arrives_not_when_the_stream_ends() -> None:
    may_end = asyncio.Event()

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, first, *rest = provider.STREAM
        writer.write(head + first)
        await may_end.wait()
        writer.write(b"".join(rest))

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    client = await Client.connect("127.0.0.1", port_of(server))
    loop = asyncio.get_running_loop()
    asked = asyncio.create_task(client.ask(b"GET / HTTP/1.1\r\n\r\n"))
    loop.call_later(0.1, may_end.set)
    timing = await asked
    client.close()
    server.close()
    assert timing.first_word_s < 0.1 <= timing.total_s


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.data())
def test_chunked_coding_is_decoded_however_it_is_cut(contents: list[bytes], data: st.DataObject) -> None:
    coded = b"".join(b"%x;x=1\r\n%b\r\n" % (len(c), c) for c in contents) + b"0\r\ntrailer: x\r\n\r\n"
    cuts = sorted(data.draw(st.sets(st.integers(1, len(coded) - 1))))
    body, buffer, decoded = ChunkedBody(), bytearray(), b""
    for start, end in zip([0, *cuts], [*cuts, len(coded)], strict=True):
        assert not body.ended
        buffer += coded[start:end]
        decoded += body.take(buffer)
    assert body.ended
    assert decoded == b"".join(contents)
    assert not buffer


def test_header_is_found_by_its_whole_name() -> None:
    head = b"post / http/1.1\r\nx-content-length: 1\r\ncontent-length:  22 \r\nlast: z"
    assert header(head, b"content-length") == b"22"
    assert header(head, b"last") == b"z"
    assert header(head, b"length") is None


@pytest.mark.parametrize("size", list(Size))
def test_no_prompt_comes_twice(size: Size) -> None:
    chance = random.Random(1)
    prompts = [prompt("r", number, size, chance) for number in range(2000)]
    assert len(set(prompts)) == len(prompts)
    assert all(abs(len(text) - CHARACTERS[size]) <= 12 for text in prompts)
