"""A run for people (tables, Markdown) and for programs (JSON)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from benchmarks import reporting
from benchmarks.cache.measure import Sample
from benchmarks.cache.quality import Quality
from benchmarks.cache.rows import NEW, OPEN, SEMANTIC
from benchmarks.cache.summary import Row
from benchmarks.gateway.summary import Spread
from benchmarks.gateway.targets import Target
from benchmarks.machine import Machine

SPEED = ("row", "requests", "meant", "p50", "p95", "p99", "first", "over", "p50 over it", "first over it", "req/s")
QUALITY = ("cache", "near repeats hit", "paraphrases hit", "traps hit", "hits wrong", "95% interval", "unlabelled")
SPEED_LEGEND = (
    "Times in ms, of the answers that are what the row measures (meant). p50, p95, p99: one client, over all rounds. "
    "over it: median less that of the row named, within each round; median (least to most). first: p50 to the first "
    "word. req/s: with {many} clients, median of the rounds. semantic hit: paraphrases that were asked before, in "
    "courtesies that were not, as many people ask the same; new words: paraphrases that nobody has asked before, once "
    "each."
)
QUALITY_LEGEND = (
    "The test half of evals/cache as one stream, one request after the other, to a cache that was empty: each group's "
    "question, then all the rest mixed. A hit is wrong when its answer is another's than the labels say. unlabelled: "
    "a trap that got another trap's answer, in neither count."
)
# Of issue and README: milliseconds of the median over the no-op's.
GOALS = {"sextant exact hit": 2.0, SEMANTIC: 5.0, OPEN: 5.0, NEW: 5.0}


@dataclass(frozen=True)
class Report:
    """All that is known of a run."""

    machine: Machine
    targets: Sequence[Target]
    rounds: int
    many: int  # clients
    groups: int  # of the stream
    note: str
    rows: Sequence[Row]
    samples: Sequence[Sample]
    quality: Sequence[Quality]

    def goals(self) -> list[str]:
        """Which goals are met, in a sentence each; empty when Sextant was not measured."""
        lines = []
        for row in self.rows:
            goal = GOALS.get(row.way)
            if goal is not None and row.over_ms is not None:
                word = "met" if row.over_ms.median <= goal else "NOT met"
                lines.append(f"{row.way}: p50 {row.over_ms.median:.2f} ms over {row.over}, goal {goal:g} ms: {word}.")
        return lines

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
        lines = [
            *reporting.facts("Caches beside each other", self.machine, self.note, about),
            "",
            *(f"- **{target.name}**: {target.features}" for target in self.targets),
        ]
        for title, headings, rows, legend in self._tables():
            lines += ["", f"## {title}", "", legend, "", *reporting.markdown_table(headings, rows)]
        lines += ["", *self.goals()] if self.goals() else []
        return "\n".join(lines) + "\n"

    def save(self, directory: Path) -> Path:
        """Write `cache-<date>-<time>.json` and `.md`; returns the path without its ending."""
        data = {
            "machine": asdict(self.machine),
            "note": self.note,
            "rounds": self.rounds,
            "clients": self.many,
            "groups": self.groups,
            "targets": [{"name": target.name, "features": target.features} for target in self.targets],
            "goals": self.goals(),
            "rows": [asdict(row) for row in self.rows],
            "quality": [asdict(quality) for quality in self.quality],
            "samples": [_sample(sample) for sample in self.samples],
        }
        return reporting.save(directory, "cache", self.machine, reporting.rounded(data), self.markdown())

    def _tables(self) -> list[tuple[str, Sequence[str], list[list[str]], str]]:
        tables: list[tuple[str, Sequence[str], list[list[str]], str]] = []
        if self.rows:
            legend = SPEED_LEGEND.format(many=self.many)
            tables.append(("What a cache takes", SPEED, [_speed(row) for row in self.rows], legend))
        if self.quality:
            title = f"What a cache finds, and how often that is wrong ({self.groups} groups)"
            tables.append((title, QUALITY, [_quality(each) for each in self.quality], QUALITY_LEGEND))
        return tables


def _speed(row: Row) -> list[str]:
    return [
        row.way,
        f"{row.requests:,}",
        f"{row.meant_share:.1%}",
        f"{row.p50_ms:.2f}",
        f"{row.p95_ms:.2f}",
        f"{row.p99_ms:.2f}",
        f"{row.first_word_p50_ms:.2f}",
        row.over if row.over_ms else "",
        _spread(row.over_ms),
        _spread(row.over_first_word_ms),
        f"{row.requests_per_s.median:,.0f}" if row.requests_per_s else "",
    ]


def _quality(each: Quality) -> list[str]:
    low, high = each.wrong_interval
    counts = (each.near_repeats, each.paraphrases, each.traps, each.wrong)
    interval = f"{low:.1%} to {high:.1%}" if each.wrong[1] else ""
    return [each.target, *(_share(*count) for count in counts), interval, str(each.unlabelled)]


def _share(count: int, of: int) -> str:
    return f"{count / of:.1%} ({count} of {of})" if of else ""


def _spread(figure: Spread | None) -> str:
    return str(figure) if figure else ""


def _sample(sample: Sample) -> dict[str, object]:
    """Without the single times: the file would be ten times as long."""
    data = asdict(sample)
    del data["totals_ms"], data["first_words_ms"]
    return {**data, "p50_ms": sample.p50_ms, "first_word_p50_ms": sample.first_word_p50_ms}
