"""What the guard adds to a whole request through the stack: the same texts' lengths with the rails and without."""

import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.cache.load import load_generator
from benchmarks.cache.measure import Bench, Sample, Way
from benchmarks.gateway.summary import Spread
from benchmarks.gateway.targets import Target
from benchmarks.guard.stack import NO_CACHE, through
from benchmarks.guard.texts import Texts

# Characters, and the share of the requests that they get. What has none with many clients would take longer than the
# rails' deadline there: two cores examine sixteen texts of that length one after the other.
LENGTHS = {150: 1.0, 1000: 0.5, 8000: 0.2}
ALONE = 8000
GOAL_MS, GOAL_LENGTH = 6.0, 150
NOOP = "no-op"
_ON, _OFF = "fast-on", "fast-off"


@dataclass(frozen=True)
class Added:
    """One length, so many clients. Milliseconds; what is added is the difference of the same round's figures."""

    length: int
    clients: int
    requests: int  # of each, over all rounds
    off_p50_ms: float
    on_p50_ms: float
    on_p95_ms: float
    noop_p50_ms: float
    added_p50_ms: Spread
    added_p95_ms: Spread


def plan_of(length: int, requests: Mapping[int, int]) -> dict[int, int]:
    """How many requests of this length, by number of clients."""
    share = LENGTHS[length]
    wanted = {1: requests[1]} if length >= ALONE else requests
    return {clients: max(clients, round(count * share)) for clients, count in wanted.items()}


def build_ways(target: Target, noop: Target, length: int, texts: Texts) -> list[Way]:
    """A no-op, without rails, with rails. No text is sent twice."""
    return [
        Way(f"{NOOP} {length}", noop, itertools.cycle(texts.take(length, 1)), lambda _: True),
        *(
            Way(f"{alias} {length}", through(target, alias), texts.stream(length), _is_bypass, extra=NO_CACHE)
            for alias in (_OFF, _ON)
        ),
    ]


def _is_bypass(tier: str) -> bool:
    return tier == "bypass"


def measure(
    target: Target,
    noop: Target,
    texts: Texts,
    requests: Mapping[int, int],
    rounds: int,
    done: Callable[[str], None],
) -> list[Sample]:
    """All rounds, length after length. Raises BenchmarkFailed."""
    samples: list[Sample] = []
    with load_generator() as load:
        for length in LENGTHS:
            bench = Bench(build_ways(target, noop, length, texts), load)
            bench.look_at_idle()
            samples += bench.measure(plan_of(length, requests), rounds, done)
    return samples


def steps(requests: Mapping[int, int], rounds: int) -> int:
    """How often `measure` calls `done`."""
    return 3 * rounds * sum(len(plan_of(length, requests)) for length in LENGTHS)


def summarize(samples: Sequence[Sample]) -> list[Added]:
    """A row for each length and number of clients, in the order of the first round."""
    by: dict[tuple[int, int], dict[str, list[Sample]]] = {}
    for sample in samples:
        name, _, length = sample.way.rpartition(" ")
        by.setdefault((int(length), sample.clients), {}).setdefault(name, []).append(sample)
    return [_row(length, clients, found) for (length, clients), found in sorted(by.items())]


def _row(length: int, clients: int, found: Mapping[str, list[Sample]]) -> Added:
    pairs = list(zip(found[_ON], found[_OFF], strict=True))
    on = [each for sample in found[_ON] for each in sample.totals_ms]
    return Added(
        length=length,
        clients=clients,
        requests=len(on),
        off_p50_ms=statistics.median(each for sample in found[_OFF] for each in sample.totals_ms),
        on_p50_ms=statistics.median(on),
        on_p95_ms=float(np.percentile(on, 95)),
        noop_p50_ms=statistics.median(
            each for sample in found.get(NOOP, [found[_OFF][0]]) for each in sample.totals_ms
        ),
        added_p50_ms=Spread.of(mine.p50_ms - other.p50_ms for mine, other in pairs),
        added_p95_ms=Spread.of(_p95(mine) - _p95(other) for mine, other in pairs),
    )


def _p95(sample: Sample) -> float:
    return float(np.percentile(sample.totals_ms, 95))
