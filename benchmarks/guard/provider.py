"""A provider with a pace: `python -m benchmarks.guard.provider PORT CHUNK_MS JUDGE_MS TOKENS`.

By the model's name: `fast` answers at once, `paced` takes CHUNK_MS for each of TOKENS tokens of a stream (a whole
answer takes as long as all of them), and `judge` answers as Llama Guard after JUDGE_MS: unsafe where the text holds
FORBIDDEN.
"""

import asyncio
import json
import sys
from typing import Any

from benchmarks.cache.provider import body_of, stream
from benchmarks.gateway.prompts import WORDS
from benchmarks.gateway.provider import ANSWER
from benchmarks.gateway.wire import HEAD_END, header

FORBIDDEN = "zeppelin"


def paced_answer(tokens: int) -> str:
    """Plain words, one a token: nothing for a rail to find. It begins and ends as all answers do."""
    middle = (WORDS[number * 7 % len(WORDS)] for number in range(tokens - 2))
    return " ".join(["The", *middle, "answer"])


class Provider:
    """What is answered, and how long it takes."""

    def __init__(self, chunk_s: float, judge_s: float, tokens: int) -> None:
        self._chunk_s, self._judge_s = chunk_s, judge_s
        self._tokens = tokens
        self._text = paced_answer(tokens)

    async def answer(self, body: bytes, writer: asyncio.StreamWriter) -> None:
        """Write the answer to a chat request."""
        request: dict[str, Any] = json.loads(body)
        model = request.get("model")
        if model == "judge":
            await asyncio.sleep(self._judge_s)
            self._write_whole(writer, "unsafe\nS9" if FORBIDDEN.encode() in body else "safe")
        elif not request.get("stream"):
            if model == "paced":
                await asyncio.sleep(self._chunk_s * self._tokens)
            self._write_whole(writer, self._text if model == "paced" else ANSWER)
        else:
            with_usage = bool((request.get("stream_options") or {}).get("include_usage"))
            head, *events = stream(self._text if model == "paced" else ANSWER, with_usage=with_usage)
            writer.write(head)
            due = asyncio.get_running_loop().time()
            for event in events:
                if model == "paced":
                    due += self._chunk_s  # by the clock: what one sleep takes too long, the next makes up for
                    await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
                writer.write(event)
        await writer.drain()

    def _write_whole(self, writer: asyncio.StreamWriter, text: str) -> None:
        body = body_of(text)
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection, until it leaves."""
        try:
            while True:
                head = (await reader.readuntil(HEAD_END)).lower()
                body = await reader.readexactly(int(header(head, b"content-length") or 0))
                if head.startswith(b"post "):
                    await self.answer(body, writer)
                else:
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def serve(port: int, provider: Provider, host: str = "127.0.0.1") -> asyncio.Server:
    """Listen; port 0 chooses a free one."""
    return await asyncio.start_server(provider.connect, host, port)


async def _main(port: int, chunk_ms: float, judge_ms: float, tokens: int) -> None:
    async with await serve(port, Provider(chunk_ms / 1000, judge_ms / 1000, tokens)) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
