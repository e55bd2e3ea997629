"""From samples to rows: medians over the rounds, and ratios to a peer within each round."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.gateway.measure import Cell, Sample

BASELINE = "provider"  # asked directly: its time is the network's, the provider's and the load generator's
PEER = "litellm"

Round = dict[str, Sample]  # of one cell, by target


@dataclass(frozen=True)
class Spread:
    """A figure over the rounds."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f} to {self.most:.2f})"

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Of one value or more."""
        values = list(values)
        return cls(statistics.median(values), min(values), max(values))

    @classmethod
    def of_known(cls, values: Iterable[float | None]) -> "Spread | None":
        """Of the values that are known; none when there is none."""
        known = [value for value in values if value is not None]
        return cls.of(known) if known else None


@dataclass(frozen=True)
class Row:
    """One target in one cell.

    What is added is the median latency less the baseline's of the same round: to the first word of a stream, to
    the end of a whole answer. Ratios are to the peer's figure of the same round.
    """

    cell: Cell
    target: str
    requests: int
    requests_per_s: Spread
    p50_ms: Spread
    p90_ms: Spread
    p99_ms: Spread
    first_word_p50_ms: Spread
    first_word_p99_ms: Spread
    added_ms: Spread | None
    cpu_ms_per_request: Spread | None
    rate_ratio: Spread | None
    added_ratio: Spread | None
    cpu_ratio: Spread | None


def summarize(samples: Sequence[Sample]) -> list[Row]:
    """A row for each target in each cell, in the order in which they were first measured."""
    cells: dict[Cell, dict[int, Round]] = {}
    for sample in samples:
        cells.setdefault(sample.cell, {}).setdefault(sample.round, {})[sample.target] = sample
    return [
        _row(cell, target, list(rounds.values()))
        for cell, rounds in cells.items()
        for target in next(iter(rounds.values()))
    ]


def _row(cell: Cell, target: str, rounds: list[Round]) -> Row:
    own = [each[target] for each in rounds]
    return Row(
        cell=cell,
        target=target,
        requests=sum(s.requests for s in own),
        requests_per_s=Spread.of(s.requests_per_s for s in own),
        p50_ms=Spread.of(s.p50_ms for s in own),
        p90_ms=Spread.of(s.p90_ms for s in own),
        p99_ms=Spread.of(s.p99_ms for s in own),
        first_word_p50_ms=Spread.of(s.first_word_p50_ms for s in own),
        first_word_p99_ms=Spread.of(s.first_word_p99_ms for s in own),
        added_ms=Spread.of_known(_added_ms(each, target) for each in rounds),
        cpu_ms_per_request=Spread.of_known(s.cpu_ms_per_request for s in own),
        rate_ratio=Spread.of_known(_ratio(_rate(each, target), _rate(each, PEER)) for each in rounds),
        added_ratio=Spread.of_known(_ratio(_added_ms(each, target), _added_ms(each, PEER)) for each in rounds),
        cpu_ratio=Spread.of_known(_ratio(_cpu_ms(each, target), _cpu_ms(each, PEER)) for each in rounds),
    )


def _rate(samples: Round, name: str) -> float | None:
    return samples[name].requests_per_s if name in samples and name != BASELINE else None


def _cpu_ms(samples: Round, name: str) -> float | None:
    return samples[name].cpu_ms_per_request if name in samples and name != BASELINE else None


def _added_ms(samples: Round, name: str) -> float | None:
    if name == BASELINE or not {name, BASELINE} <= samples.keys():
        return None
    return _latency_ms(samples[name]) - _latency_ms(samples[BASELINE])


def _latency_ms(sample: Sample) -> float:
    return sample.first_word_p50_ms if sample.cell.stream else sample.p50_ms


def _ratio(value: float | None, peer: float | None) -> float | None:
    # Where the peer adds nothing that can be told from noise there is no ratio.
    return value / peer if value is not None and peer is not None and peer > 0 else None
