"""Plays the sessions: in rounds, each a turn of every session, in another order each time."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from benchmarks.errors import BenchmarkFailed
from benchmarks.prefix.sessions import Session
from benchmarks.prefix.stack import Stack

ANSWER_TOKENS = 24
_REQUEST_S = 120.0
_SHOWN_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Sample:
    """One turn."""

    session: int
    turn: int
    prompt_tokens: int
    cached_tokens: int
    first_token_s: float
    total_s: float


async def play(
    stack: Stack, sessions: Sequence[Session], turns: int, clients: int, seed: int, advance: Callable[[], None]
) -> list[Sample]:
    """All turns. A session's next one is asked when the round of the one before is over. Raises BenchmarkFailed."""
    samples: list[Sample] = []
    # Shuffled, or an even number of sessions would meet the same of two replicas in each round, by turns.
    order = random.Random(seed)  # noqa: S311
    headers = {"authorization": f"Bearer {stack.key}"}
    async with httpx.AsyncClient(headers=headers, timeout=_REQUEST_S) as http:
        for turn in range(turns):
            left = order.sample(list(sessions), len(sessions))

            async def client(left: list[Session] = left, turn: int = turn) -> None:
                while left:
                    samples.append(await _turn(http, stack, left.pop(), turn))
                    advance()

            await asyncio.gather(*(client() for _ in range(clients)))
    return samples


async def warm_up(stack: Stack, requests: int) -> None:
    """Short questions, so that no replica answers its first request ever in a sample. Raises BenchmarkFailed."""
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {stack.key}"}, timeout=_REQUEST_S) as http:
        for number in range(requests):
            await _ask(http, stack, [{"role": "user", "content": f"Is {number} a number? " * 8}])


async def _turn(http: httpx.AsyncClient, stack: Stack, session: Session, turn: int) -> Sample:
    text, usage, first_s, total_s = await _ask(http, stack, session.ask(turn))
    session.hear(text)
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return Sample(session.number, turn, usage["prompt_tokens"], cached, first_s, total_s)


async def _ask(
    http: httpx.AsyncClient, stack: Stack, messages: list[dict[str, str]]
) -> tuple[str, dict[str, Any], float, float]:
    """Text, usage, seconds to the first token and to the end."""
    body = {
        "model": stack.model,
        "messages": messages,
        "max_tokens": ANSWER_TOKENS,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    start, first, text, usage = time.perf_counter(), 0.0, "", None
    async with http.stream("POST", stack.url, json=body) as response:
        if response.status_code != 200:
            shown = (await response.aread()).decode(errors="replace")[:_SHOWN_CHARACTERS]
            raise BenchmarkFailed(f"the stack answered {response.status_code}: {shown}")
        async for line in response.aiter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            chunk = json.loads(line.removeprefix("data: "))
            if "error" in chunk:
                raise BenchmarkFailed(f"a stream broke off: {json.dumps(chunk)[:_SHOWN_CHARACTERS]}")
            usage = chunk.get("usage") or usage
            for choice in chunk["choices"]:
                if said := choice["delta"].get("content"):
                    first = first or time.perf_counter()
                    text += said
    if not first or usage is None:
        raise BenchmarkFailed("an answer without text or usage")
    return text, usage, first - start, time.perf_counter() - start
