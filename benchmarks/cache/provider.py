"""A provider without delay that knows the right answers: `python -m benchmarks.cache.provider PORT ANSWERS`.

ANSWERS is a JSON file, `{question: answer}`. A question of which a guard has masked parts gets the answer of one that
is the same elsewhere, as a model would still know it. One that is not there gets the answer that was told to
`POST /next`, once, or else one of its own: a cache that compares answers must not learn that all questions are one.
`GET /count` says how many chat requests came, so a benchmark can tell who answered.
"""

import asyncio
import json
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks.cache.questions import answer_to
from benchmarks.gateway.provider import Connection, Provider

_MASKED = re.compile(r"<[A-Z_]+_\d+>")  # what the guard puts in the place of personal data
_ID = {"id": "chatcmpl-bench", "created": 1_750_000_000, "model": "bench"}
_USAGE = {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42}


class KnowingProvider(Provider):
    """Answers questions by a list."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        super().__init__()
        self._answers = answers
        self._masked: dict[str, set[str]] = {}  # the answers to which a masked question may lead
        self._next: str | None = None

    def answer(self, request_line: bytes, body: bytes) -> tuple[bytes, ...]:
        """What to write for a request; what is not a chat goes to the plain provider."""
        if request_line.startswith(b"post /next "):
            self._next = json.loads(body)["answer"]
            return (_response(b"{}"),)
        if request_line.startswith(b"get /count "):
            return (_response(json.dumps({"chat_requests": self.chat_requests}).encode()),)
        if not request_line.startswith(b"post /v1/chat/completions "):
            return super().answer(request_line, body)
        self.chat_requests += 1
        request = json.loads(body)
        question = _question(request)
        text = self._known(question) or self._next or answer_to(question)
        self._next = None
        if request.get("stream"):
            return stream(text, with_usage=bool((request.get("stream_options") or {}).get("include_usage")))
        return (_whole(text),)

    def _known(self, question: str) -> str | None:
        known = self._answers.get(question)
        if known is not None or not _MASKED.search(question):
            return known
        if question not in self._masked:
            pattern = re.compile(".+".join(map(re.escape, _MASKED.split(question))))
            self._masked[question] = {text for other, text in self._answers.items() if pattern.fullmatch(other)}
        answers = self._masked[question]
        if self._next in answers:
            return self._next
        return next(iter(answers)) if len(answers) == 1 else None


def body_of(text: str) -> bytes:
    """A chat completion that says this."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json.dumps({**_ID, "object": "chat.completion", "choices": [choice], "usage": _USAGE}).encode()


@lru_cache(maxsize=10_000)
def stream(text: str, *, with_usage: bool) -> tuple[bytes, ...]:
    """The same as a stream: the head, and a piece for each word."""
    words = text.split(" ")
    deltas = [{"content": word if i == 0 else f" {word}"} for i, word in enumerate(words)]
    deltas[0]["role"] = "assistant"
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        *(_event([{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas),
        _event([{"index": 0, "delta": {}, "finish_reason": "stop"}]),
        *([_event([], usage=_USAGE)] if with_usage else []),
        _chunk(b"[DONE]") + b"0\r\n\r\n",
    )


@lru_cache(maxsize=10_000)
def _whole(text: str) -> bytes:
    return _response(body_of(text))


def _question(request: Mapping[str, Any]) -> str:
    content = request["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _response(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def _event(choices: list[dict[str, Any]], **more: object) -> bytes:
    return _chunk(json.dumps({**_ID, "object": "chat.completion.chunk", "choices": choices, **more}).encode())


def _chunk(data: bytes) -> bytes:
    event = b"data: " + data + b"\n\n"
    return f"{len(event):x}\r\n".encode() + event + b"\r\n"


async def serve(port: int, answers: Mapping[str, str], host: str = "127.0.0.1") -> asyncio.Server:
    """Listen; port 0 chooses a free one."""
    provider = KnowingProvider(answers)
    return await asyncio.get_running_loop().create_server(lambda: Connection(provider), host, port)


async def _main(port: int, answers: Path) -> None:
    async with await serve(port, json.loads(answers.read_text())) as server:  # noqa: ASYNC240 (nobody is connected yet)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), Path(sys.argv[2])))
