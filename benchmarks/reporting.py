"""What the reports share: tables, the facts of the machine, and the files that a report becomes."""

import json
import shlex
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.box import SIMPLE
from rich.table import Table

from benchmarks.machine import Machine

Cells = Sequence[str]


def table(title: str, headings: Cells, rows: Sequence[Cells], left: int = 1) -> Table:
    """For a terminal. The first `left` columns are words, the others are numbers."""
    made = Table(title=title, title_justify="left", box=SIMPLE)
    for number, heading in enumerate(headings):
        made.add_column(heading, justify="left" if number < left else "right")
    for row in rows:
        made.add_row(*row)
    return made


def markdown_table(headings: Cells, rows: Sequence[Cells], left: int = 1) -> list[str]:
    """The same in lines of Markdown, without the title."""
    rule = ["---"] * left + ["---:"] * (len(headings) - left)
    return ["| " + " | ".join(cells) + " |" for cells in (headings, rule, *rows)]


def facts(title: str, machine: Machine, note: str, about: str) -> list[str]:
    """How a page begins, in lines of Markdown. `about` is what the report says of its run."""
    return [
        f"# {title}, {machine.date[:10]}",
        "",
        *([f"**{note}**", ""] if note else []),
        f"{machine.cores} cores ({machine.processor}), {machine.memory_gib} GiB, {machine.system}, "
        f"Python {machine.python}, commit {machine.commit}. {about}",
        "",
        f"`{shlex.join(machine.command)}`",
        "",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in machine.versions.items()) + ".",
    ]


def load_before(machine: Machine) -> str:
    """A sentence for `about`."""
    return f"Load average before: {machine.load_average[0]:.2f}."


def save(directory: Path, name: str, machine: Machine, data: object, markdown: str) -> Path:
    """Write `<name>-<date>-<time>.json` and `.md`; returns the path without its ending."""
    directory.mkdir(parents=True, exist_ok=True)
    stem = directory / f"{name}-{datetime.fromisoformat(machine.date):%Y-%m-%d-%H%M}"
    stem.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n")
    stem.with_suffix(".md").write_text(markdown)
    return stem


def rounded(value: object) -> object:
    """Floats to four digits after the point: more are noise, and make the file unreadable."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list | tuple) else value
