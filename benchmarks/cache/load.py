"""The load generator: `python -m benchmarks.cache.load` reads jobs as JSON lines and answers each with a line.

A closed loop over a list of questions, in order: each client takes the next one when its last answer is complete.
"""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from benchmarks.cache.client import CacheClient
from benchmarks.gateway.client import BadAnswer
from benchmarks.load_generator import LoadGenerator, serve_jobs

_PATIENCE_S = 120.0


@dataclass(frozen=True)
class Job:
    """What to send, and to whom."""

    url: str  # of chat completions
    model: str
    headers: Mapping[str, str]
    extra: Mapping[str, Any]  # fields of the body
    stream: bool
    texts: Sequence[str]
    warm_up: int  # of the texts, the first; they are sent, and not measured
    clients: int
    tier_header: str


@dataclass(frozen=True)
class Result:
    """What came of a job: one value for each measured request, in the order in which they ended. Milliseconds."""

    measured_s: float
    totals_ms: Sequence[float]
    first_words_ms: Sequence[float]
    tiers: Sequence[str]  # what `tier_header` said
    errors: Sequence[str] = ()


@dataclass
class _Tally:
    totals_ms: list[float] = field(default_factory=list)
    first_words_ms: list[float] = field(default_factory=list)
    tiers: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def render(job: Job, text: str) -> bytes:
    """The bytes of one request."""
    parts = urlsplit(job.url)
    lines = [f"POST {parts.path} HTTP/1.1", f"host: {parts.netloc}", "content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in job.headers.items()]
    fields = {
        "model": job.model,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": 64,
        "temperature": 0,
        "stream": job.stream,
        **job.extra,
    }
    body = json.dumps(fields).encode()
    return b"%b\r\ncontent-length: %d\r\n\r\n%b" % ("\r\n".join(lines).encode(), len(body), body)


async def run(job: Job) -> Result:
    """Do a job. An error ends all of it, and is told."""
    tally, before = _Tally(), _Tally()
    requests = [render(job, text) for text in job.texts]
    await _send(job, requests[: job.warm_up], before)
    begin = time.perf_counter()
    if before.errors:
        tally = before
    else:
        await _send(job, requests[job.warm_up :], tally)
    return Result(time.perf_counter() - begin, tally.totals_ms, tally.first_words_ms, tally.tiers, tally.errors)


async def _send(job: Job, requests: Sequence[bytes], tally: _Tally) -> None:
    parts = urlsplit(job.url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    left = iter(requests)

    async def work() -> None:
        client: CacheClient | None = None
        try:
            for request in left:
                if tally.errors:
                    break
                if client is None or client.closed:
                    client = await CacheClient.connect(host, port)
                timing = await client.ask(request)
                tally.totals_ms.append(round(timing.total_s * 1e3, 4))
                tally.first_words_ms.append(round(timing.first_word_s * 1e3, 4))
                tally.tiers.append(client.said(job.tier_header))
        except (BadAnswer, OSError) as error:
            tally.errors.append(str(error))
        finally:
            if client is not None:
                client.close()

    try:
        async with asyncio.timeout(_PATIENCE_S), asyncio.TaskGroup() as group:
            for _ in range(job.clients):
                group.create_task(work())
    except TimeoutError:
        tally.errors.append(f"not done after {_PATIENCE_S:.0f} s")


def load_generator() -> LoadGenerator[Job, Result]:
    """The process of this module."""
    return LoadGenerator("benchmarks.cache.load", Result, _complaint)


def _complaint(job: Job, result: Result) -> str | None:
    return f"{job.url}: {result.errors[0]}" if result.errors else None


if __name__ == "__main__":
    serve_jobs(Job, run)
