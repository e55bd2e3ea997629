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

LENGTHS = (150, 1000, 8000)
GOAL_MS, GOAL_LENGTH = 6.0, 150
NOOP = "no-op"
_WARM_UP = 20  # as `benchmarks.cache.measure` has it
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


def texts_needed(requests: Mapping[int, int], rounds: int) -> int:
    """For one way and length, with those of the warm-ups."""
    return rounds * sum(count + max(_WARM_UP, 2 * clients) for clients, count in requests.items())


def build_ways(target: Target, noop: Target, texts: Mapping[int, Sequence[str]]) -> list[Way]:
    """For each length: a no-op, without rails, with rails. Each request of these has a text of its own."""
    ways = []
    for length, own in texts.items():
        half = len(own) // 2
        parts = {_OFF: own[:half], _ON: own[half:]}
        ways.append(Way(f"{NOOP} {length}", noop, itertools.cycle(own), lambda _: True))
        for alias, part in parts.items():
            asked = through(target, alias)
            ways.append(Way(f"{alias} {length}", asked, iter(part), lambda tier: tier == "bypass", extra=NO_CACHE))
    return ways


def measure(ways: Sequence[Way], requests: Mapping[int, int], rounds: int, done: Callable[[str], None]) -> list[Sample]:
    """All rounds. Raises BenchmarkFailed."""
    with load_generator() as load:
        bench = Bench(ways, load)
        bench.look_at_idle()
        return bench.measure(requests, rounds, done)


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
