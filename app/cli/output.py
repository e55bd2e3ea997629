"""Answers on a terminal: tables for people, JSON for programs."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def print_json(value: Any) -> None:
    """As it came, on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def tell(sentence: str, answer: Any, as_json: bool) -> None:
    """What was done: a sentence, or the answer itself."""
    if as_json:
        print_json(answer)
    else:
        console.print(sentence, markup=False)


def print_table(rows: Iterable[dict[str, Any]], columns: Sequence[str], empty: str) -> None:
    """A column for each name; numbers to the right."""
    found = list(rows)
    if not found:
        console.print(empty)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        numeric = all(isinstance(row.get(name), int | float | None) for row in found)
        table.add_column(
            name.removesuffix("_at").replace("_", " "), justify="right" if numeric else "left", overflow="fold"
        )
    for row in found:
        table.add_row(*(Text(cell(name, row.get(name))) for name in columns))
    console.print(table)


def print_facts(facts: dict[str, Any]) -> None:
    """One thing, a line for each of its fields that say something."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in facts.items():
        if name != "object" and value not in (None, "", [], {}):
            table.add_row(Text(name.removesuffix("_at").replace("_", " "), "dim"), Text(cell(name, value)))
    console.print(table)


def cell(name: str, value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return ""
    if name.endswith("_usd"):
        return f"${value:,.9f}".rstrip("0").rstrip(".") if value < 1 else f"${value:,.2f}"
    if name.endswith("_at") or name == "previous_until":
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    # Model names come from clients: nothing in them may steer the terminal.
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(value))
