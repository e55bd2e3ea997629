"""What an ingest run shows: progress on the way, tables at the end."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table
from rich.text import Text

from app.ingest.discover import Skipped
from app.ingest.duplicates import Duplicate
from app.ingest.ingest import Progress, Report

# Lines in a job's log, where there is no terminal to draw a bar in.
LINE_EVERY_S = 2.0

MAX_SKIPPED_ROWS = 50


@contextmanager
def show_progress(console: Console) -> Iterator[Callable[[Progress], None]]:
    """A bar in a terminal, else plain lines. Gives the function to call with each step."""
    if not console.is_terminal:
        yield _Lines(console).show
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("documents, {task.fields[chunks]} chunks"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[document]}", style="dim", markup=False),
    )
    with ProgressBar(*columns, console=console) as bar:
        task = bar.add_task("ingest", total=None, chunks=0, document="")

        def show(step: Progress) -> None:
            bar.update(task, completed=step.documents, total=step.total, chunks=step.chunks)
            if step.document:
                bar.update(task, document=step.document)

        yield show


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = time.monotonic()
        self._shown = -1

    def show(self, step: Progress) -> None:
        now = time.monotonic()
        finished = step.documents == step.total and self._shown != step.documents
        if finished or now - self._last >= LINE_EVERY_S:
            self._last = now
            self._shown = step.documents
            say(
                self._console,
                f"{step.documents}/{step.total} documents, {step.chunks} chunks {step.document}".rstrip(),
            )


def say(console: Console, line: str) -> None:
    """One line as it is: rich would colour it and break it where a log has no width."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def show_report(console: Console, report: Report) -> None:
    """The closing tables."""
    if report.skipped:
        console.print(_skipped_table(report.skipped))
    if report.duplicates:
        console.print(_duplicates_table(report.duplicates))
    rate = report.chunks / report.seconds if report.chunks else 0.0
    table = Table("what", "how many", title="Documents", show_header=False, min_width=24)
    table.columns[1].justify = "right"
    for name, value in (
        ("new", f"{len(report.new):,}"),
        ("changed", f"{len(report.changed):,}"),
        ("unchanged", f"{len(report.unchanged):,}"),
        ("deleted", f"{len(report.deleted):,}"),
        ("duplicates", f"{len(report.duplicates):,}"),
        ("skipped", f"{len(report.skipped):,}"),
        *([("taken over from a run before", f"{report.resumed:,}")] if report.resumed else []),
        ("chunks", f"{report.chunks:,}"),
        ("seconds", f"{report.seconds:.1f}"),
        ("chunks/s", f"{rate:.1f}"),
    ):
        table.add_row(name, value)
        if name == "skipped":
            table.add_section()
    console.print(table)
    stored = report.knowledge_base
    say(
        console,
        f"The knowledge base holds {stored.documents:,} documents in {stored.chunks:,} chunks, "
        f"version {stored.version}.",
    )


def _skipped_table(skipped: Sequence[Skipped]) -> Table:
    table = Table("file", "reason", title="Skipped")
    rows = _grouped(skipped)
    for name, reason in rows[:MAX_SKIPPED_ROWS]:
        table.add_row(Text(name, overflow="fold"), Text(reason))
    if len(rows) > MAX_SKIPPED_ROWS:
        table.add_row(f"and {len(rows) - MAX_SKIPPED_ROWS} more", "")
    return table


def _duplicates_table(duplicates: Sequence[Duplicate]) -> Table:
    table = Table("document", "says the same as", "alike", title="Duplicates, left out")
    for each in duplicates[:MAX_SKIPPED_ROWS]:
        # Rounded down: only the same words are 100%.
        alike = f"{math.floor(each.similarity * 100)}%"
        table.add_row(Text(each.name, overflow="fold"), Text(each.of, overflow="fold"), alike)
    if len(duplicates) > MAX_SKIPPED_ROWS:
        table.add_row(f"and {len(duplicates) - MAX_SKIPPED_ROWS} more", "", "")
    return table


def _grouped(skipped: Sequence[Skipped]) -> list[tuple[str, str]]:
    """A row for each file; one in all for each unsupported type: a source tree has thousands."""
    unsupported = Counter(file.reason for file in skipped if file.reason.startswith("unsupported type"))
    many = {reason for reason, count in unsupported.items() if count > 1}
    rows = [(file.name, file.reason) for file in skipped if file.reason not in many]
    return rows + [(f"{unsupported[reason]} files", reason) for reason in sorted(many)]
