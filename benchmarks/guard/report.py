"""A run for people (tables, Markdown) and for programs (JSON)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from benchmarks import reporting
from benchmarks.guard.in_process import LENGTHS, LLM_GUARD, MOST_RATIO, PRESIDIO, Cell, Line
from benchmarks.guard.rails import ALL
from benchmarks.guard.slow import SlowRow
from benchmarks.guard.streams import StreamRow
from benchmarks.guard.whole import GOAL_LENGTH, GOAL_MS, Added
from benchmarks.machine import Machine

Rows = list[list[str]]
Table = tuple[str, Sequence[str], Rows, str]

IN_PROCESS_LEGEND = (
    "p50 / p95 in ms for one text of so many characters, one after the other, in a process without Serve; no text "
    "twice. all rails: those of the default policy at the input. "
    f"{PRESIDIO}: its analyzer with all recognizers for English, and its anonymizer; it looks for no secrets and no "
    f"injections. {LLM_GUARD}: Secrets, InvisibleText and one Regex."
)
LINES_LEGEND = (
    "A straight line through the medians (least squares). at 8,000: time for a character there, over that at 1,000 "
    f"characters; at most {MOST_RATIO} counts as linear."
)
ADDED_LEGEND = (
    "Whole requests through the stack to a provider without delay, cache off, times in ms. without: an alias whose "
    "policy has no rails; with: the default policy, injections only flagged, since a refusal has no time to compare. "
    "added: difference of the same round's figures, median (least to most) of the rounds. no-op: a Serve ingress that "
    "answers by itself."
)
STREAMS_LEGEND = (
    "Streams of {tokens} tokens, {chunk_ms:g} ms each, one after the other; times in ms at the client. gap: between "
    "two pieces of text. cost: over the stream without rails, in tokens of that pace too."
)
SLOW_LEGEND = (
    "A safety model that takes {judge_ms:g} ms, beside a generation that takes {generation_ms:g} ms; medians in ms. "
    "saved: how much of the rail's time the generation was under way. wasted: how long it ran before a refusal."
)


@dataclass
class Report:
    """All that is known of a run; what was not measured is empty."""

    machine: Machine
    rounds: int
    chunk_ms: float
    tokens: int
    note: str
    cells: Sequence[Cell] = ()
    lines: Sequence[Line] = ()
    added: Sequence[Added] = ()
    streams: Sequence[StreamRow] = ()
    slow: SlowRow | None = None

    def goals(self) -> list[str]:
        """Which goals are met, in a sentence each."""
        said = []
        for row in self.added:
            if row.length == GOAL_LENGTH and row.clients == 1:
                word = "met" if row.added_p50_ms.median <= GOAL_MS else "NOT met"
                found = f"{word} ({row.added_p50_ms.median:.2f} ms)"
                said.append(f"added p50 at {GOAL_LENGTH} characters <= {GOAL_MS:g} ms: {found}.")
        for line in self.lines:
            if line.subject == ALL:
                word = "met" if line.is_linear else "NOT met"
                said.append(
                    f"linear in length to {max(LENGTHS):,} characters: {word} ({line.ms_per_1000:.2f} ms for 1,000, r2 "
                    f"{line.r2:.4f}, {line.ratio:.2f} times the time for a character at 1,000)."
                )
        shares = [f"{cell.refused:.1%} of {cell.length:,} characters" for cell in self.cells if cell.subject == ALL]
        if shares:
            said.append(f"benign texts that the default policy refuses: {', '.join(shares)}.")
        return said

    def print(self, console: Console) -> None:
        """Show the tables."""
        for title, headings, rows, legend in self._tables():
            console.print(reporting.table(title, headings, rows))
            console.print(legend)
        for goal in self.goals():
            console.print(goal)

    def markdown(self) -> str:
        """The same, with the facts of the machine."""
        about = f"{self.rounds} rounds. {reporting.load_before(self.machine)}"
        lines = reporting.facts("What the guard adds", self.machine, self.note, about)
        for title, headings, rows, legend in self._tables():
            lines += ["", f"## {title}", "", legend, "", *reporting.markdown_table(headings, rows)]
        lines += ["", *(f"- {goal}" for goal in self.goals())]
        return "\n".join(lines) + "\n"

    def save(self, directory: Path) -> Path:
        """Write `guard-<date>-<time>.json` and `.md`; returns the path without its ending."""
        data = {**asdict(self), "goals": self.goals()}
        return reporting.save(directory, "guard", self.machine, reporting.rounded(data), self.markdown())

    def _tables(self) -> list[Table]:
        tables: list[Table] = []
        if self.cells:
            headings = ("examined by", *(f"{length:,}" for length in LENGTHS))
            tables.append(("What a text takes in a process", headings, self._cells(), IN_PROCESS_LEGEND))
            headings = ("examined by", "fixed ms", "ms for 1,000", "r2", "at 8,000")
            tables.append(("Linear in length", headings, [_line(line) for line in self.lines], LINES_LEGEND))
        if self.added:
            headings = ("characters", "clients", "requests", "no-op p50", "without p50", "with p50", "with p95",
                        "added p50", "added p95")  # fmt: skip
            tables.append(("What it adds to a request", headings, [_added(row) for row in self.added], ADDED_LEGEND))
        if self.streams:
            headings = ("output rails", "streams", "TTFT p50", "TTFT p95", "gap p50", "gap p95", "total p50",
                        "TTFT cost", "in tokens", "total cost")  # fmt: skip
            legend = STREAMS_LEGEND.format(tokens=self.tokens, chunk_ms=self.chunk_ms)
            tables.append(("What it costs a stream", headings, [_stream(row) for row in self.streams], legend))
        if self.slow:
            headings = ("requests", "without it p50", "with it p50", "saved", "refused", "refusal p50", "wasted")
            legend = SLOW_LEGEND.format(judge_ms=self.slow.judge_ms, generation_ms=self.chunk_ms * self.tokens)
            tables.append(("A safety model beside the generation", headings, [_slow(self.slow)], legend))
        return tables

    def _cells(self) -> Rows:
        names = list(dict.fromkeys(cell.subject for cell in self.cells))
        at = {(cell.subject, cell.length): f"{cell.p50_ms:.2f} / {cell.p95_ms:.2f}" for cell in self.cells}
        return [[name, *(at.get((name, length), "") for length in LENGTHS)] for name in names]


def _line(line: Line) -> list[str]:
    return [line.subject, f"{line.fixed_ms:.2f}", f"{line.ms_per_1000:.2f}", f"{line.r2:.4f}", f"{line.ratio:.2f}"]


def _added(row: Added) -> list[str]:
    times = (row.noop_p50_ms, row.off_p50_ms, row.on_p50_ms, row.on_p95_ms)
    counts = (f"{row.length:,}", f"{row.clients}", f"{row.requests:,}")
    return [*counts, *(f"{time:.2f}" for time in times), str(row.added_p50_ms), str(row.added_p95_ms)]


def _stream(row: StreamRow) -> list[str]:
    times = (row.first_p50_ms, row.first_p95_ms, row.gap_p50_ms, row.gap_p95_ms, row.total_p50_ms, row.first_cost_ms)
    costs = (f"{row.first_cost_tokens:.1f}", f"{row.total_cost_ms:.1f}")
    return [row.way, f"{row.streams}", *(f"{time:.1f}" for time in times), *costs]


def _slow(row: SlowRow) -> list[str]:
    times = (row.without_p50_ms, row.with_p50_ms, row.saved_p50_ms)
    refusals = (f"{row.refusal_p50_ms:.1f}", f"{row.wasted_p50_ms:.1f}")
    return [f"{row.requests}", *(f"{time:.1f}" for time in times), f"{row.refused}", *refusals]
