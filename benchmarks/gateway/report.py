"""A run for people (a table, Markdown) and for programs (JSON)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from rich.console import Console

from benchmarks import reporting
from benchmarks.gateway.measure import Sample
from benchmarks.gateway.summary import PEER, Row, Spread
from benchmarks.gateway.targets import Target
from benchmarks.machine import Machine

HEADINGS = ("target", "req/s", "p50", "p90", "p99", "first", "added", "CPU", "rate x", "added x", "CPU x")
LEGEND = (
    "Times in ms, medians over the rounds. first: p50 to the first word. added: p50 less that of the provider asked "
    "directly, to the first word of a stream and to the end of a whole answer. CPU: user and system time of all "
    f"processes of the target for one request. x: times {PEER}'s, within each round; median (least to most)."
)


@dataclass(frozen=True)
class Report:
    """All that is known of a run."""

    machine: Machine
    targets: Sequence[Target]
    niceness: dict[str, list[int]]  # of each target's processes
    rounds: int
    measure_s: float
    note: str
    rows: Sequence[Row]
    samples: Sequence[Sample]

    def print(self, console: Console) -> None:
        """Show the table."""
        for title, rows in self._tables():
            console.print(reporting.table(title, HEADINGS, rows))
        console.print(LEGEND)

    def markdown(self) -> str:
        """The same, with the facts of the machine."""
        about = (
            f"{self.rounds} rounds of {self.measure_s:g} s. Processes that had no part in it took "
            f"{Spread.of(s.foreign_cpu_share for s in self.samples)} of a core meanwhile."
        )
        lines = [
            *reporting.facts("Gateways beside each other", self.machine, self.note, about),
            "",
            *(f"- **{target.name}**: {target.features} (niceness {self._nice(target)})" for target in self.targets),
            "",
            LEGEND,
        ]
        for title, rows in self._tables():
            lines += ["", f"## {title}", "", *reporting.markdown_table(HEADINGS, rows)]
        return "\n".join(lines) + "\n"

    def save(self, directory: Path) -> Path:
        """Write `gateway-<date>-<time>.json` and `.md`; returns the path without its ending."""
        data = {
            "machine": asdict(self.machine),
            "note": self.note,
            "rounds": self.rounds,
            "measure_s": self.measure_s,
            "targets": [{"name": t.name, "features": t.features, "niceness": self._nice(t)} for t in self.targets],
            "rows": [asdict(row) for row in self.rows],
            "samples": [asdict(sample) for sample in self.samples],
        }
        return reporting.save(directory, "gateway", self.machine, reporting.rounded(data), self.markdown())

    def _tables(self) -> list[tuple[str, list[list[str]]]]:
        cells = groupby(self.rows, key=lambda row: row.cell)
        return [(str(cell).capitalize(), [_texts(row) for row in rows]) for cell, rows in cells]

    def _nice(self, target: Target) -> str:
        return ", ".join(map(str, self.niceness.get(target.name, ()))) or "unknown"


def _texts(row: Row) -> list[str]:
    return [
        row.target,
        f"{row.requests_per_s.median:,.0f}",
        f"{row.p50_ms.median:.2f}",
        f"{row.p90_ms.median:.2f}",
        f"{row.p99_ms.median:.2f}",
        f"{row.first_word_p50_ms.median:.2f}",
        _number(row.added_ms),
        _number(row.cpu_ms_per_request),
        _ratio(row.rate_ratio),
        _ratio(row.added_ratio),
        _ratio(row.cpu_ratio),
    ]


def _number(figure: Spread | None) -> str:
    return "" if figure is None else f"{figure.median:.2f}"


def _ratio(figure: Spread | None) -> str:
    return "" if figure is None else str(figure)
