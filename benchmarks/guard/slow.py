"""Input rails that need a model, beside the generation: what that saves where they let pass, and wastes where not.

Both are the stack's own figures, from the traces of the requests: `sextant.guard.saved_ms` is how much of the rails'
time the generation was under way, `sextant.guard.wasted_ms` how long it ran for a request that was then refused.
"""

import re
import secrets
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from benchmarks.errors import BenchmarkFailed
from benchmarks.gateway.targets import Target
from benchmarks.guard.provider import FORBIDDEN
from benchmarks.guard.stack import NO_CACHE

WAY, WITHOUT = "paced-slow", "paced-off"
_TIMEOUT_S = 60.0
_TRACES_S = 60.0
_LOOK_S = 0.5
_FIGURE = r"sextant\.guard\.{name}_ms\D{{1,60}}?(\d+(?:\.\d+)?)"


@dataclass(frozen=True)
class SlowRow:
    """Medians in milliseconds."""

    judge_ms: float  # what the safety model takes for an answer
    requests: int  # that it lets pass
    without_p50_ms: float  # whole requests without the rail
    with_p50_ms: float
    saved_p50_ms: float
    refused: int
    refusal_p50_ms: float  # until the client has the refusal
    wasted_p50_ms: float


def measure(
    target: Target, mlflow_url: str, texts: Iterator[str], judge_ms: float, count: int, done: Callable[[str], None]
) -> SlowRow:
    """Ask, then look at the traces. At most 40 of each: MLflow lists a hundred traces at once. Raises
    BenchmarkFailed."""
    run = secrets.token_hex(4)
    times: dict[str, list[float]] = {WITHOUT: [], WAY: [], "refused": []}
    with httpx.Client(timeout=_TIMEOUT_S, headers=dict(target.headers)) as http:
        for number in range(count + 1):
            for kind, kept in times.items():
                text = f"{FORBIDDEN}: {next(texts)}" if kind == "refused" else next(texts)
                model = WITHOUT if kind == WITHOUT else WAY
                body = {"model": model, "messages": [{"role": "user", "content": text}], **NO_CACHE}
                start = time.perf_counter()
                answer = http.post(target.url, json=body, headers={"x-request-id": f"{run}-{kind}-{number:03d}"})
                spent = (time.perf_counter() - start) * 1000
                if answer.status_code != (400 if kind == "refused" else 200):
                    raise BenchmarkFailed(f"{kind}: {answer.status_code} {answer.text[:300]}")
                if number:  # the first is the warm-up
                    kept.append(spent)
            done("safety model beside the generation")
    saved = figures(mlflow_url, "saved", [f"{run}-{WAY}-{number:03d}" for number in range(1, count + 1)])
    wasted = figures(mlflow_url, "wasted", [f"{run}-refused-{number:03d}" for number in range(1, count + 1)])
    return SlowRow(
        judge_ms,
        count,
        statistics.median(times[WITHOUT]),
        statistics.median(times[WAY]),
        statistics.median(saved),
        count,
        statistics.median(times["refused"]),
        statistics.median(wasted),
    )


def figures(mlflow_url: str, name: str, request_ids: Sequence[str]) -> list[float]:
    """A figure of each request's trace. Waits for the traces, which come behind the answers. Raises
    BenchmarkFailed."""
    found: dict[str, float] = {}
    deadline = time.monotonic() + _TRACES_S
    with httpx.Client(base_url=mlflow_url, timeout=_TIMEOUT_S) as http:
        while missing := [each for each in request_ids if each not in found]:
            if time.monotonic() > deadline:
                raise BenchmarkFailed(f"{len(missing)} traces without sextant.guard.{name}_ms, such as {missing[0]}")
            for trace in _listed(http):
                for request_id in missing:
                    if request_id in str(trace):
                        text = http.get("/api/3.0/mlflow/traces/get", params={"trace_id": trace["trace_id"]}).text
                        if (figure := read_figure(text, name)) is not None:
                            found[request_id] = figure
            time.sleep(_LOOK_S)
    return [*found.values()]


def read_figure(trace: str, name: str) -> float | None:
    """The figure in a trace as MLflow writes it: JSON, in which an attribute's name and value stand side by side."""
    match = re.search(_FIGURE.format(name=name), trace)
    return float(match[1]) if match else None


def _listed(http: httpx.Client) -> list[dict[str, Any]]:
    """The newest hundred traces, without their spans."""
    by_name = http.get("/api/2.0/mlflow/experiments/get-by-name", params={"experiment_name": "sextant"}).json()
    experiment = by_name.get("experiment", {}).get("experiment_id")
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    listed = http.post("/api/3.0/mlflow/traces/search", json={"locations": [location], "max_results": 100})
    return list(listed.json().get("traces", ()))
