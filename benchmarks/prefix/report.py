"""A run for people (tables, Markdown) and for programs (JSON)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks import reporting
from benchmarks.machine import Machine
from benchmarks.prefix.load import Sample

TITLE = "Two replicas, one prefix cache each"
HEADINGS = ("router", "turns", "requests", "prompt tokens", "cached", "TTFT p50", "TTFT p95", "total p50")
WORDS = 2  # columns; the others are numbers
LEGEND = (
    "cached: prompt tokens that were found in the replica's prefix cache, of all. Times in ms, at the client. "
    "first: the turn that begins a session, for which no replica knows anything yet; later: all others."
)


@dataclass(frozen=True)
class Row:
    """One router, some of the turns."""

    router: str
    turns: str
    requests: int
    prompt_tokens: int
    cached_share: float
    first_token_p50_ms: float
    first_token_p95_ms: float
    total_p50_ms: float

    @classmethod
    def of(cls, router: str, turns: str, samples: Sequence[Sample]) -> "Row":
        """From the samples of these turns."""
        prompt = sum(sample.prompt_tokens for sample in samples)
        first = [sample.first_token_s * 1000 for sample in samples]
        return cls(
            router=router,
            turns=turns,
            requests=len(samples),
            prompt_tokens=prompt,
            cached_share=sum(sample.cached_tokens for sample in samples) / prompt,
            first_token_p50_ms=float(np.percentile(first, 50)),
            first_token_p95_ms=float(np.percentile(first, 95)),
            total_p50_ms=float(np.percentile([sample.total_s * 1000 for sample in samples], 50)),
        )

    def cells(self) -> list[str]:
        """As HEADINGS has them."""
        return [
            self.router,
            self.turns,
            f"{self.requests}",
            f"{self.prompt_tokens:,}",
            f"{self.cached_share:.1%}",
            f"{self.first_token_p50_ms:,.0f}",
            f"{self.first_token_p95_ms:,.0f}",
            f"{self.total_p50_ms:,.0f}",
        ]


@dataclass(frozen=True)
class Report:
    """All that is known of a run."""

    machine: Machine
    sessions: int
    turns: int
    clients: int
    note: str
    samples: Mapping[str, Sequence[Sample]]  # by router
    overhead: Mapping[str, float]

    def rows(self) -> list[Row]:
        """Of each router: all turns, the first ones, the others."""
        rows = []
        for router, samples in self.samples.items():
            parts = {
                "all": samples,
                "first": [sample for sample in samples if sample.turn == 0],
                "later": [sample for sample in samples if sample.turn > 0],
            }
            rows += [Row.of(router, turns, part) for turns, part in parts.items() if part]
        return rows

    def print(self, console: Console) -> None:
        """Show the table."""
        console.print(reporting.table(TITLE, HEADINGS, [row.cells() for row in self.rows()], WORDS))
        console.print(LEGEND)
        console.print(self._overhead_line())

    def markdown(self) -> str:
        """The same, with the facts of the machine."""
        about = (
            f"{self.sessions} sessions of {self.turns} turns, {self.clients} clients. "
            f"{reporting.load_before(self.machine)}"
        )
        lines = [
            *reporting.facts(TITLE, self.machine, self.note, about),
            "",
            LEGEND,
            "",
            *reporting.markdown_table(HEADINGS, [row.cells() for row in self.rows()], WORDS),
            "",
            self._overhead_line(),
        ]
        return "\n".join(lines) + "\n"

    def save(self, directory: Path) -> Path:
        """Write `prefix-<date>-<time>.json` and `.md`; returns the path without its ending."""
        data = {
            "machine": asdict(self.machine),
            "note": self.note,
            "sessions": self.sessions,
            "turns": self.turns,
            "clients": self.clients,
            "rows": [asdict(row) for row in self.rows()],
            "overhead": dict(self.overhead),
            "samples": {router: [asdict(sample) for sample in each] for router, each in self.samples.items()},
        }
        return reporting.save(directory, "prefix", self.machine, data, self.markdown())

    def _overhead_line(self) -> str:
        if not self.overhead:
            return ""
        cost = self.overhead
        return (
            f"What prefix routing adds to a call (p50): {cost['marks_p50_ms']:.2f} ms for the marks, twice; "
            f"{cost['best_p50_ms']:.2f} ms waiting for the tree, the event loop free; {cost['note_p50_ms']:.2f} ms to "
            f"tell it. Ray's own router on the same prompts: {cost['ray_blocking_p50_ms']:.2f} ms, the loop stopped."
        )
