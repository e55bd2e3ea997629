"""The load generator: `python -m benchmarks.gateway.load` reads jobs as JSON lines and answers each with a line.

A closed loop: each client sends its next request when the answer to the last one is complete. One process for the
whole benchmark, so that starting it is in no measurement.
"""

import asyncio
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from benchmarks.gateway.client import BadAnswer, Client, Timing
from benchmarks.gateway.prompts import Size, prompt
from benchmarks.load_generator import LoadGenerator, serve_jobs

_BURSTS = 3  # answers of each client, at the least
_LONGEST = 10  # times what was asked for
_PATIENCE_S = 60.0  # for the last answers


@dataclass(frozen=True)
class Job:
    """What to send, to whom, for how long."""

    url: str  # of chat completions
    model: str
    headers: Mapping[str, str]
    stream: bool
    size: Size
    clients: int
    warm_up_s: float  # requests in it are sent, and not measured
    measure_s: float
    run: str
    first_number: int  # the first prompt's


@dataclass(frozen=True)
class Result:
    """What came of a job. Times are of the requests that ended while it was measured, in milliseconds."""

    sent: int  # in the warm-up too
    measured: int
    measured_s: float  # longer than was asked for when answers took that long
    totals_ms: tuple[float, ...]
    first_words_ms: tuple[float, ...]
    cpu_share: float  # of one core, of this process; near 1 it is itself the limit
    errors: int = 0
    first_error: str | None = None


@dataclass
class _Tally:
    sent: int = 0
    errors: list[str] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    last_at: float = 0.0


class _Requests:
    """Renders requests; each has a prompt of its own."""

    def __init__(self, job: Job) -> None:
        parts = urlsplit(job.url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        lines = [f"POST {parts.path} HTTP/1.1", f"host: {parts.netloc}", "content-type: application/json"]
        lines += [f"{name}: {value}" for name, value in job.headers.items()]
        self._head = "\r\n".join(lines).encode()
        self._job = job
        self._chance = random.Random(f"{job.run}-{job.first_number}")  # noqa: S311 (words, not secrets)
        self._number = job.first_number

    def next(self) -> bytes:
        text = prompt(self._job.run, self._number, self._job.size, self._chance)
        self._number += 1
        body = json.dumps(
            {
                "model": self._job.model,
                "messages": [{"role": "user", "content": text}],
                "max_tokens": 64,
                "temperature": 0,
                "stream": self._job.stream,
            }
        ).encode()
        return b"%b\r\ncontent-length: %d\r\n\r\n%b" % (self._head, len(body), body)


async def run(job: Job) -> Result:
    """Do a job. An error ends the client that met it, and is counted."""
    requests, tally = _Requests(job), _Tally()
    cpu_before, started = time.process_time(), time.perf_counter()
    begin = started + job.warm_up_s
    end = begin + job.measure_s
    # A slow server answers many clients in bursts: a few of them belong in the measurement, if need be past its end.
    enough, latest = job.clients * _BURSTS, begin + job.measure_s * _LONGEST

    def wants_more(now: float) -> bool:
        return now <= end or (len(tally.timings) < enough and now < latest)

    async def work() -> None:
        try:
            client = await Client.connect(requests.host, requests.port)
            while wants_more(time.perf_counter()) and not tally.errors:
                if client.closed:
                    client = await Client.connect(requests.host, requests.port)
                request = requests.next()
                tally.sent += 1
                timing = await client.ask(request)
                now = time.perf_counter()
                if now >= begin and wants_more(now):
                    tally.timings.append(timing)
                    tally.last_at = now
            client.close()
        except (BadAnswer, OSError) as error:
            tally.errors.append(str(error))

    patience_s = latest - started + _PATIENCE_S
    try:
        async with asyncio.timeout(patience_s), asyncio.TaskGroup() as group:
            for _ in range(job.clients):
                group.create_task(work())
    except TimeoutError:
        tally.errors.append(f"no answer for {_PATIENCE_S} s or more")
    return Result(
        sent=tally.sent,
        measured=len(tally.timings),
        measured_s=max(end, tally.last_at) - begin,
        totals_ms=tuple(round(t.total_s * 1e3, 4) for t in tally.timings),
        first_words_ms=tuple(round(t.first_word_s * 1e3, 4) for t in tally.timings),
        cpu_share=(time.process_time() - cpu_before) / (time.perf_counter() - started),
        errors=len(tally.errors),
        first_error=tally.errors[0] if tally.errors else None,
    )


def load_generator() -> LoadGenerator[Job, Result]:
    """The process of this module."""
    return LoadGenerator("benchmarks.gateway.load", Result, _complaint)


def _complaint(job: Job, result: Result) -> str | None:
    if not result.errors:
        return None
    return f"{job.url} failed {result.errors} of {result.sent} requests: {result.first_error}"


def _job(size: str, **fields: Any) -> Job:
    """JSON knows no Size."""
    return Job(size=Size(size), **fields)


if __name__ == "__main__":
    serve_jobs(_job, run)
