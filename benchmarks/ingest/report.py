"""A run for people (tables, Markdown) and for programs (JSON)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from benchmarks import reporting
from benchmarks.gateway.summary import Spread
from benchmarks.ingest.own import Measured
from benchmarks.machine import Machine

PIPELINE, RAW, LANGCHAIN, LLAMA_INDEX = "sextant", "embedder alone", "langchain", "llama-index"
LEAST_OF_RAW, LEAST_OF_PEER = 0.85, 2.0

LEGEND = (
    "Medians over the rounds. sextant: read, parse, cut, look for duplicates, embed, and store in the embedded engine; "
    "{raw}: the same passages, in the fastest of several ways ({way}); the others: see benchmarks/ingest/peers.py. All "
    "have the same model and start with it loaded. tokens/s counts what the model embeds, without padding."
)


@dataclass(frozen=True)
class Sample:
    """One contender in one round."""

    contender: str
    round: int
    measured: Measured


@dataclass
class Report:
    """All that is known of a run."""

    machine: Machine
    rounds: int
    documents: int
    characters: int
    samples: Sequence[Sample]
    note: str

    def goals(self) -> list[str]:
        """Which goals are met, in a sentence each."""
        said = []
        share = self._ratio(RAW, "tokens")
        word = "met" if share.median >= LEAST_OF_RAW else "NOT met"
        said.append(f"at least {LEAST_OF_RAW:.0%} of the embedder alone: {word} ({_spread(share)}, by tokens).")
        for peer in (LANGCHAIN, LLAMA_INDEX):
            if self._of(peer):
                by_documents, by_tokens = self._ratio(peer, "documents"), self._ratio(peer, "tokens")
                word = "met" if by_documents.median >= LEAST_OF_PEER else "NOT met"
                said.append(
                    f"at least {LEAST_OF_PEER:g} times {peer}: {word} ({_spread(by_documents)} by documents, "
                    f"{_spread(by_tokens)} by tokens)."
                )
        return said

    def print(self, console: Console) -> None:
        """Show the table."""
        console.print(reporting.table(self._title(), *self._table()))
        console.print(self._legend())
        for goal in self.goals():
            console.print(goal)

    def markdown(self) -> str:
        """The same, with the facts of the machine."""
        about = f"{self.rounds} rounds. {reporting.load_before(self.machine)}"
        lines = reporting.facts("Ingestion", self.machine, self.note, about)
        lines += ["", f"## {self._title()}", "", self._legend(), "", *reporting.markdown_table(*self._table())]
        lines += ["", *(f"- {goal}" for goal in self.goals())]
        return "\n".join(lines) + "\n"

    def save(self, directory: Path) -> Path:
        """Write `ingest-<date>-<time>.json` and `.md`; returns the path without its ending."""
        data = {**asdict(self), "goals": self.goals()}
        return reporting.save(directory, "ingest", self.machine, reporting.rounded(data), self.markdown())

    def _title(self) -> str:
        return f"{self.documents:,} documents, {self.characters / 1e6:.1f} million characters"

    def _legend(self) -> str:
        ways = sorted({sample.measured.way for sample in self._of(RAW)})
        return LEGEND.format(raw=RAW, way="; ".join(ways))

    def _table(self) -> tuple[Sequence[str], list[list[str]]]:
        headings = ("pipeline", "passages", "tokens", "seconds", "documents/s", "passages/s", "tokens/s", "CPU s")
        names = dict.fromkeys(sample.contender for sample in self.samples)
        return headings, [self._row(name) for name in names]

    def _row(self, name: str) -> list[str]:
        found = [sample.measured for sample in self._of(name)]

        def median(what: str, per_second: bool = True) -> float:
            return Spread.of(getattr(m, what) / (m.seconds if per_second else 1) for m in found).median

        return [
            name,
            f"{found[0].passages:,}",
            f"{found[0].tokens:,}",
            f"{median('seconds', per_second=False):.1f}",
            f"{median('documents'):.1f}",
            f"{median('passages'):.1f}",
            f"{median('tokens'):,.0f}",
            f"{median('cpu_seconds', per_second=False):.1f}",
        ]

    def _of(self, name: str) -> list[Sample]:
        return [sample for sample in self.samples if sample.contender == name]

    def _ratio(self, other: str, what: str) -> Spread:
        """Of the rates of the same round."""

        def rate(sample: Sample) -> float:
            return float(getattr(sample.measured, what)) / sample.measured.seconds

        theirs = {sample.round: sample for sample in self._of(other)}
        return Spread.of(rate(mine) / rate(theirs[mine.round]) for mine in self._of(PIPELINE))


def _spread(spread: Spread) -> str:
    return f"{spread.median:.2f}, {spread.least:.2f} to {spread.most:.2f}"
