"""Showing how far an eval is: a bar in a terminal, plain lines in a job's log."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.evals.task import Graded


@contextmanager
def show_progress(console: Console, total: int) -> Iterator[Callable[[Graded], None]]:
    """Gives the function to call with each result."""
    if console.is_terminal:
        with _bar(console, total) as advance:
            yield advance
        return
    done = 0

    def line(result: Graded) -> None:
        nonlocal done
        done += 1
        outcome = result.answer.error or f"{result.answer.latency_s:.2f} s"
        # Not through rich: it would wrap and colour, and a log wants one line a question.
        console.file.write(f"{done}/{total} {result.sample.id}: {outcome}\n")
        console.file.flush()

    yield line


@contextmanager
def _bar(console: Console, total: int) -> Iterator[Callable[[Graded], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}", style="red"),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("questions", total=total, failed="")
        failed = 0

        def advance(result: Graded) -> None:
            nonlocal failed
            failed += result.answer.error is not None
            progress.update(bar, advance=1, failed=f"{failed} failed" if failed else "")

        yield advance
