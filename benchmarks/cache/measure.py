"""Runs the rounds: every way of asking, one after the other, so that noise meets all alike."""

import itertools
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.cache.load import Job, Result
from benchmarks.errors import BenchmarkFailed
from benchmarks.gateway.processes import cpu_share, machine_cpu_seconds, settle
from benchmarks.gateway.targets import Target
from benchmarks.load_generator import LoadGenerator

WARM_UP = 20  # requests before each measurement
_LOOK_AT_IDLE_S = 1.0
_SETTLE_S = 10.0
_LEAST_SHARE = 0.2  # of the answers must be what a row is about, else the row says nothing


@dataclass(frozen=True)
class Way:
    """One row: a target, what it is asked, and which of its answers the row is about."""

    name: str
    target: Target
    texts: Iterator[str]
    is_meant: Callable[[str], bool]  # by what `tier_header` says
    tier_header: str = "x-sextant-cache"
    stream: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
    one_client: bool = False  # only: there are too few texts for more

    def take(self, count: int) -> list[str]:
        """The next texts. Raises BenchmarkFailed when there are no more."""
        texts = list(itertools.islice(self.texts, count))
        if len(texts) < count:
            raise BenchmarkFailed(f"{self.name}: too few questions for so many requests")
        return texts


@dataclass(frozen=True)
class Sample:
    """One way in one round with so many clients. Times are those of the answers that are meant, in milliseconds."""

    round: int
    way: str
    clients: int
    requests: int
    meant: int
    requests_per_s: float
    totals_ms: Sequence[float]
    first_words_ms: Sequence[float]
    cores_busy: float  # of the whole machine, by whomever

    @property
    def p50_ms(self) -> float:
        return statistics.median(self.totals_ms)

    @property
    def first_word_p50_ms(self) -> float:
        return statistics.median(self.first_words_ms)


class Bench:
    """Ways of asking, and the load generator that they share."""

    def __init__(self, ways: Sequence[Way], load: LoadGenerator[Job, Result]) -> None:
        self._ways = tuple(ways)
        self._load = load
        self._idle = {way.target.processes: 0.0 for way in ways}

    def look_at_idle(self) -> None:
        """See what each target does when nobody asks it anything."""
        for processes in self._idle:
            self._idle[processes] = cpu_share(processes, _LOOK_AT_IDLE_S)

    def measure(self, requests: Mapping[int, int], rounds: int, done: Callable[[str], None]) -> list[Sample]:
        """All rounds; `requests` by number of clients. The order of the ways turns. Raises BenchmarkFailed."""
        samples = []
        for number in range(rounds):
            turn = number % len(self._ways)
            for clients, count in requests.items():
                for way in self._ways[turn:] + self._ways[:turn]:
                    if way.one_client and clients > 1:
                        done(f"round {number + 1}: {way.name} is for one client")
                        continue
                    samples.append(self._sample(number, way, clients, count))
                    done(f"round {number + 1}, {clients} at a time: {way.name}")
        return samples

    def _sample(self, number: int, way: Way, clients: int, count: int) -> Sample:
        busy_before = machine_cpu_seconds()
        warm_up = max(WARM_UP, clients * 2)
        target = way.target
        result = self._load.run(
            Job(
                url=target.url,
                model=target.model,
                headers=target.headers,
                extra=way.extra,
                stream=way.stream,
                texts=way.take(warm_up + count),
                warm_up=warm_up,
                clients=clients,
                tier_header=way.tier_header,
            )
        )
        busy = machine_cpu_seconds() - busy_before
        settle(target.processes, self._idle[target.processes], _SETTLE_S)
        meant = [index for index, tier in enumerate(result.tiers) if way.is_meant(tier)]
        if len(meant) < _LEAST_SHARE * len(result.tiers):
            others = ", ".join(f"{count} {tier or 'without'}" for tier, count in Counter(result.tiers).most_common(4))
            raise BenchmarkFailed(
                f"{way.name}, {clients} at a time: only {len(meant)} of {len(result.tiers)} answers were what it "
                f"measures ({way.tier_header}: {others})"
            )
        return Sample(
            round=number,
            way=way.name,
            clients=clients,
            requests=len(result.tiers),
            meant=len(meant),
            requests_per_s=len(result.tiers) / result.measured_s,
            totals_ms=[result.totals_ms[index] for index in meant],
            first_words_ms=[result.first_words_ms[index] for index in meant],
            cores_busy=busy / max(result.measured_s, 1e-9),
        )
