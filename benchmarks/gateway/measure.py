"""Runs the rounds: every target in every cell, one after the other, so that noise meets all alike."""

import os
import secrets
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from benchmarks.errors import BenchmarkFailed
from benchmarks.gateway.load import Job, Result
from benchmarks.gateway.processes import cpu_seconds, cpu_share, machine_cpu_seconds, settle
from benchmarks.gateway.prompts import Size
from benchmarks.gateway.targets import Target
from benchmarks.load_generator import LoadGenerator

_SETTLE_S = 20.0
_LOOK_AT_IDLE_S = 1.0
_WARM_UP_S = 3.0  # before the first round
_WARM_UP_SHARE = 0.15  # of the time that is measured, before each; the connections open in it
_WARM_UP_CLIENTS = 16


@dataclass(frozen=True)
class Cell:
    """One kind of load."""

    stream: bool
    size: Size
    clients: int

    def __str__(self) -> str:
        clients = "client" if self.clients == 1 else "clients"
        return f"{'streamed' if self.stream else 'whole'}, {self.size} prompts, {self.clients} {clients}"


@dataclass(frozen=True)
class Sample:
    """One target in one cell in one round."""

    round: int
    target: str
    cell: Cell
    requests: int
    requests_per_s: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    first_word_p50_ms: float
    first_word_p99_ms: float
    cpu_ms_per_request: float | None  # of the target's processes, what they put off until afterwards included
    load_cpu_share: float  # of one core, of the load generator; near 1 it is itself the limit
    idle_cpu_shares: dict[str, float]  # of one core, of the other targets' processes meanwhile
    foreign_cpu_share: float  # of one core, of processes that have no part in the benchmark: the noise


class Bench:
    """Targets before one provider."""

    def __init__(
        self, targets: Sequence[Target], provider_url: str, load: LoadGenerator[Job, Result], measure_s: float
    ) -> None:
        self._targets = tuple(targets)
        self._provider_url = provider_url
        self._load = load
        self._measure_s = measure_s
        self._idle_shares: dict[str, float] = {}
        self._run = secrets.token_hex(2)
        self._number = 0

    def warm_up(self, target: Target) -> None:
        """See what it does when it is idle; let it open its connections, with whole and streamed answers."""
        self._idle_shares[target.name] = cpu_share(target.processes, _LOOK_AT_IDLE_S)
        for stream in (False, True):
            self._send(target, Cell(stream, Size.SHORT, _WARM_UP_CLIENTS), _WARM_UP_S / 2)
        self._settle(target)

    def measure(self, cells: Sequence[Cell], rounds: int, done: Callable[[str], None]) -> list[Sample]:
        """All rounds. The order of the targets turns from one to the next. Raises BenchmarkFailed."""
        samples = []
        for number in range(rounds):
            turn = number % len(self._targets)
            order = self._targets[turn:] + self._targets[:turn]
            for cell in cells:
                for target in order:
                    samples.append(self._sample(number, target, cell))
                    done(f"round {number + 1}: {cell}: {target.name}")
        return samples

    def _sample(self, number: int, target: Target, cell: Cell) -> Sample:
        others = [t for t in self._targets if t.processes and not set(t.processes) & set(target.processes)]
        begin, cpu_before, foreign_before = time.monotonic(), cpu_seconds(target.processes), self._foreign_cpu_s()
        idle_before = {other.name: cpu_seconds(other.processes) for other in others}
        asked_before = self._asked()
        result = self._send(target, cell, self._measure_s)
        self._settle(target)
        elapsed = time.monotonic() - begin
        if (asked := self._asked() - asked_before) != result.sent:
            raise BenchmarkFailed(
                f"{target.name} answered {result.sent} requests with {asked} of the provider's answers"
            )
        if result.measured < 2:
            raise BenchmarkFailed(f"{target.name}: no answers within {result.measured_s:g} s")
        totals, firsts = map(_percentiles, (result.totals_ms, result.first_words_ms))
        cpu_ms = (cpu_seconds(target.processes) - cpu_before) * 1e3 / result.sent if target.processes else None
        return Sample(
            round=number,
            target=target.name,
            cell=cell,
            requests=result.measured,
            requests_per_s=result.measured / result.measured_s,
            p50_ms=totals[49],
            p90_ms=totals[89],
            p99_ms=totals[98],
            first_word_p50_ms=firsts[49],
            first_word_p99_ms=firsts[98],
            cpu_ms_per_request=cpu_ms,
            load_cpu_share=result.cpu_share,
            idle_cpu_shares={
                other.name: (cpu_seconds(other.processes) - idle_before[other.name]) / elapsed for other in others
            },
            foreign_cpu_share=max(0.0, self._foreign_cpu_s() - foreign_before) / elapsed,
        )

    def _send(self, target: Target, cell: Cell, measure_s: float) -> Result:
        result = self._load.run(
            Job(
                url=target.url,
                model=target.model,
                headers=target.headers,
                stream=cell.stream,
                size=cell.size,
                clients=cell.clients,
                warm_up_s=measure_s * _WARM_UP_SHARE,
                measure_s=measure_s,
                run=self._run,
                first_number=self._number,
            )
        )
        self._number += result.sent
        return result

    def _foreign_cpu_s(self) -> float:
        # Peers, provider and load generator are below this process; Sextant is not.
        ours = (os.getpid(), *(root for target in self._targets for root in target.processes))
        return machine_cpu_seconds() - cpu_seconds(ours)

    def _settle(self, target: Target) -> None:
        settle(target.processes, self._idle_shares.get(target.name, 0.0), _SETTLE_S)

    def _asked(self) -> int:
        return int(httpx.get(f"{self._provider_url}/count").json()["chat_requests"])


def _percentiles(times_ms: Sequence[float]) -> list[float]:
    return statistics.quantiles(times_ms, n=100, method="inclusive")
