"""What output rails cost a stream: the time to its first words, and the pauses between them.

A rail sees text before it leaves, so some of it is always held back. What that costs is told in tokens too: at another
pace it is the same number of tokens, and another time.
"""

import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import httpx
import numpy as np

from benchmarks.errors import BenchmarkFailed
from benchmarks.gateway.targets import Target
from benchmarks.guard.stack import NO_CACHE

WAYS = {
    "paced-off": "no rails",
    "paced-on": "default policy",
    "paced-masking": "output: personal data and secrets masked",
}
_TIMEOUT_S = 60.0
_SHOWN_CHARACTERS = 300


@dataclass(frozen=True)
class Streamed:
    """One stream, seen by its client. Milliseconds from when it was asked for."""

    first_ms: float
    gaps_ms: Sequence[float]  # between two pieces of text
    total_ms: float
    text: str


@dataclass(frozen=True)
class StreamRow:
    """One way through the guard, over all rounds. Milliseconds."""

    way: str
    streams: int
    first_p50_ms: float
    first_p95_ms: float
    gap_p50_ms: float
    gap_p95_ms: float
    total_p50_ms: float
    first_cost_ms: float  # over the way without rails
    first_cost_tokens: float
    total_cost_ms: float


def ask(http: httpx.Client, target: Target, model: str, text: str) -> Streamed:
    """Read a stream to its end. Raises BenchmarkFailed."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": True, **NO_CACHE}
    start, times, parts, ended = time.perf_counter(), list[float](), list[str](), False
    with http.stream("POST", target.url, json=body, headers=dict(target.headers)) as response:
        if response.status_code != 200:
            shown = response.read().decode(errors="replace")[:_SHOWN_CHARACTERS]
            raise BenchmarkFailed(f"{model}: {response.status_code} {shown}")
        for said in _said(response.iter_lines()):
            if said is None:
                ended = True
            elif said:
                times.append((time.perf_counter() - start) * 1000)
                parts.append(said)
    total_ms = (time.perf_counter() - start) * 1000
    if not times or not ended:
        raise BenchmarkFailed(f"{model}: a stream without text, or without its end")
    gaps = [after - before for before, after in itertools.pairwise(times)]
    return Streamed(times[0], gaps, total_ms, "".join(parts))


def _said(lines: Iterator[str]) -> Iterator[str | None]:
    """The text of each event; None for the one that says why the stream ended."""
    for line in lines:
        if not line.startswith("data: {"):
            continue
        event = json.loads(line.removeprefix("data: "))
        if "error" in event:
            raise BenchmarkFailed(f"a stream broke off: {line[:_SHOWN_CHARACTERS]}")
        for choice in event["choices"]:
            yield (choice.get("delta") or {}).get("content") or ""
            if choice.get("finish_reason"):
                yield None


def measure(
    target: Target, texts: Iterator[str], expected: str, rounds: int, count: int, done: Callable[[str], None]
) -> dict[str, list[Streamed]]:
    """Streams by way, one after the other, the ways by turns. Raises BenchmarkFailed, for another text as well."""
    found: dict[str, list[Streamed]] = {way: [] for way in WAYS}
    with httpx.Client(timeout=_TIMEOUT_S) as http:
        for way in WAYS:
            ask(http, target, way, next(texts))
        for number in range(rounds):
            for _, way in itertools.product(range(count), WAYS):
                streamed = ask(http, target, way, next(texts))
                if streamed.text != expected:
                    raise BenchmarkFailed(f"{way}: another text than the provider's: {streamed.text[:100]}")
                found[way].append(streamed)
            done(f"round {number + 1}: streams")
    return found


def summarize(found: Mapping[str, Sequence[Streamed]], chunk_ms: float) -> list[StreamRow]:
    """A row for each way. `chunk_ms`: what the provider takes for a token."""
    first = {way: statistics.median(each.first_ms for each in streams) for way, streams in found.items()}
    total = {way: statistics.median(each.total_ms for each in streams) for way, streams in found.items()}
    base = next(iter(WAYS))
    rows = []
    for way, streams in found.items():
        gaps = [gap for each in streams for gap in each.gaps_ms] or [0.0]
        cost = first[way] - first[base]
        rows.append(
            StreamRow(
                way=WAYS[way],
                streams=len(streams),
                first_p50_ms=first[way],
                first_p95_ms=float(np.percentile([each.first_ms for each in streams], 95)),
                gap_p50_ms=statistics.median(gaps),
                gap_p95_ms=float(np.percentile(gaps, 95)),
                total_p50_ms=total[way],
                first_cost_ms=cost,
                first_cost_tokens=cost / chunk_ms,
                total_cost_ms=total[way] - total[base],
            )
        )
    return rows
