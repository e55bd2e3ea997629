"""A run for people (tables, Markdown) and for programs (JSON)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from benchmarks import reporting
from benchmarks.machine import Machine
from benchmarks.search.measure import TOP, Filled, Row

HEADINGS = (
    "search",
    "tenant",
    "chunks",
    "readable",
    "searches",
    "p50",
    "p95",
    "p99",
    "longest",
    "CPU",
    f"recall@{TOP}",
)
LEGEND = (
    "Milliseconds of one `search` call, from one client, filtered by tenant and groups. chunks: the tenant's own; "
    "readable: the share of them that the reader may see. CPU: of all threads, the mean. recall: against an exact "
    "search of float32 vectors over what is readable. 'read': of what both find, so many are read, the best by fusion."
)
P50_GOAL_MS = 5.0
RECALL_GOAL = 0.98


@dataclass(frozen=True)
class Report:
    """All that is known of a run."""

    machine: Machine
    load_after: float
    note: str
    filled: Filled
    rows: Sequence[Row]

    def goals(self) -> list[str]:
        """Which goals are met, in a sentence each."""
        lines = []
        for row in self.rows:
            if row.tenant == "large" and row.what in (f"dense, {TOP}", f"both, {TOP} each"):
                word = "met" if row.p50_ms <= P50_GOAL_MS else "NOT met"
                lines.append(f"{row.what}: p50 {row.p50_ms:.2f} ms, goal {P50_GOAL_MS:g} ms: {word}.")
        worst = min(row.recall for row in self.rows if row.recall is not None)
        word = "met" if worst >= RECALL_GOAL else "NOT met"
        return [*lines, f"recall@{TOP}: {worst:.4f} in the tenant with the lowest, goal {RECALL_GOAL}: {word}."]

    def print(self, console: Console) -> None:
        """Show it."""
        console.print(reporting.table("Searches", HEADINGS, [_cells(row) for row in self.rows], left=2))
        console.print(LEGEND)
        for line in [*self._store(), *self.goals()]:
            console.print(line)

    def markdown(self) -> str:
        """The same, with the facts of the machine."""
        about = f"{reporting.load_before(self.machine)} After: {self.load_after:.2f}."
        title = f"Search of the embedded store, {self.filled.chunks:,} chunks"
        lines = [
            *reporting.facts(title, self.machine, self.note, about),
            "",
            LEGEND,
            "",
            *reporting.markdown_table(HEADINGS, [_cells(row) for row in self.rows], left=2),
            "",
            *(line for text in (*self._store(), *self.goals()) for line in (text, "")),
        ]
        return "\n".join(lines).rstrip() + "\n"

    def save(self, directory: Path) -> Path:
        """Write `search-<date>-<time>.json` and `.md`; returns the path without its ending."""
        data = {
            "machine": asdict(self.machine),
            "load_after": self.load_after,
            "note": self.note,
            "goals": self.goals(),
            "filled": asdict(self.filled),
            "rows": [asdict(row) for row in self.rows],
        }
        return reporting.save(directory, "search", self.machine, reporting.rounded(data), self.markdown())

    def _store(self) -> list[str]:
        filled = self.filled
        return [
            f"Staging: {filled.chunks / filled.stage_s:,.0f} chunks/s, terms included; the longest call "
            f"{filled.longest_stage_ms:,.0f} ms. All commits: {filled.commit_s:.2f} s. Opening: {filled.open_s:.2f} s.",
            f"Memory {filled.rss_mb:,.0f} MB, disk {filled.disk_mb:,.0f} MB.",
        ]


def _cells(row: Row) -> list[str]:
    times = (row.p50_ms, row.p95_ms, row.p99_ms, row.longest_ms, row.cpu_ms)
    recall = "" if row.recall is None else f"{row.recall:.4f}"
    shown = (f"{row.chunks:,}", f"{row.readable:.0%}", f"{row.searches:,}")
    return [row.what, row.tenant, *shown, *(f"{time:.2f}" for time in times), recall]
