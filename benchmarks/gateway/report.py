"""A run for people (a table, Markdown) and for programs (JSON)."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.gateway.machine import Machine
from benchmarks.gateway.measure import Sample
from benchmarks.gateway.summary import PEER, Row, Spread
from benchmarks.gateway.targets import Target

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
        for title, rows in self._cells():
            table = Table(title=title, title_justify="left", box=SIMPLE)
            for number, heading in enumerate(HEADINGS):
                table.add_column(heading, justify="right" if number else "left")
            for row in rows:
                table.add_row(*_texts(row))
            console.print(table)
        console.print(LEGEND)

    def markdown(self) -> str:
        """The same, with the facts of the machine."""
        lines = [f"# Gateways beside each other, {self.machine.date[:10]}", ""]
        if self.note:
            lines += [f"**{self.note}**", ""]
        lines += [
            f"{self.machine.cores} cores ({self.machine.processor}), {self.machine.memory_gib} GiB, "
            f"{self.machine.system}, Python {self.machine.python}, commit {self.machine.commit}. "
            f"{self.rounds} rounds of {self.measure_s:g} s. Processes that had no part in it took "
            f"{Spread.of(s.foreign_cpu_share for s in self.samples)} of a core meanwhile.",
            "",
            f"`{shlex.join(self.machine.command)}`",
            "",
            "Versions: " + ", ".join(f"{name} {version}" for name, version in self.machine.versions.items()) + ".",
            "",
            *(f"- **{target.name}**: {target.features} (niceness {self._nice(target)})" for target in self.targets),
            "",
            LEGEND,
        ]
        for title, rows in self._cells():
            lines += ["", f"## {title}", "", _line(HEADINGS), _line(["---"] + ["---:"] * (len(HEADINGS) - 1))]
            lines += [_line(_texts(row)) for row in rows]
        return "\n".join(lines) + "\n"

    def save(self, directory: Path) -> Path:
        """Write `gateway-<date>-<time>.json` and `.md`; returns the path without its ending."""
        directory.mkdir(parents=True, exist_ok=True)
        stem = directory / f"gateway-{datetime.fromisoformat(self.machine.date):%Y-%m-%d-%H%M}"
        data = {
            "machine": asdict(self.machine),
            "note": self.note,
            "rounds": self.rounds,
            "measure_s": self.measure_s,
            "targets": [{"name": t.name, "features": t.features, "niceness": self._nice(t)} for t in self.targets],
            "rows": [asdict(row) for row in self.rows],
            "samples": [asdict(sample) for sample in self.samples],
        }
        stem.with_suffix(".json").write_text(json.dumps(_rounded(data), indent=1) + "\n")
        stem.with_suffix(".md").write_text(self.markdown())
        return stem

    def _cells(self) -> list[tuple[str, list[Row]]]:
        return [(str(cell).capitalize(), list(rows)) for cell, rows in groupby(self.rows, key=lambda row: row.cell)]

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


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _rounded(value: object) -> object:
    """Floats to four digits after the point: more are noise, and make the file unreadable."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value
