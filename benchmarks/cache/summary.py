"""From samples to rows: percentiles over all rounds, differences within each round."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.cache.measure import Sample
from benchmarks.gateway.summary import Spread

NOOP = "no-op"


@dataclass(frozen=True)
class Row:
    """One way of asking. Milliseconds at one client; `over_ms` is the median less that of `over` in the same round."""

    way: str
    requests: int  # at one client, those that are meant
    meant_share: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    first_word_p50_ms: float
    over: str
    over_ms: Spread | None  # None for the row that others are compared with
    over_first_word_ms: Spread | None
    requests_per_s: Spread | None  # with many clients; None where that was not measured


def summarize(samples: Sequence[Sample], over: dict[str, str], many: int) -> list[Row]:
    """A row for each way, in the order of the first round. `over` names the way that a way is compared with."""
    names = list(dict.fromkeys(sample.way for sample in samples))
    return [_row(name, samples, over.get(name, NOOP), many) for name in names]


def _row(name: str, samples: Sequence[Sample], over: str, many: int) -> Row:
    own = [sample for sample in samples if sample.way == name]
    alone = [sample for sample in own if sample.clients == 1]
    base = {sample.round: sample for sample in samples if sample.way == over and sample.clients == 1}
    totals = [each for sample in alone for each in sample.totals_ms]
    cuts = statistics.quantiles(totals, n=100, method="inclusive")
    pairs = [(sample, base[sample.round]) for sample in alone if name != over and sample.round in base]
    return Row(
        way=name,
        requests=len(totals),
        meant_share=sum(sample.meant for sample in own) / sum(sample.requests for sample in own),
        p50_ms=cuts[49],
        p95_ms=cuts[94],
        p99_ms=cuts[98],
        first_word_p50_ms=statistics.median(each for sample in alone for each in sample.first_words_ms),
        over=over,
        over_ms=Spread.of_known(mine.p50_ms - other.p50_ms for mine, other in pairs),
        over_first_word_ms=Spread.of_known(mine.first_word_p50_ms - other.first_word_p50_ms for mine, other in pairs),
        requests_per_s=Spread.of_known(sample.requests_per_s for sample in own if sample.clients == many),
    )
