"""A search of the embedded knowledge base: how long it takes, and what it misses.

    python -m benchmarks.search [--chunks 100000]

Takes about two minutes, and one process with 1.5 GB.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.command import RESULTS, Note, Results, publish
from benchmarks.machine import machine, peer_versions
from benchmarks.search.measure import measure
from benchmarks.search.report import Report

TABLE_WIDTH = 160


def main(
    chunks: Annotated[int, typer.Option(min=2000, help="Chunks of all tenants together.")] = 100_000,
    searches: Annotated[int, typer.Option(min=50, help="Of each kind.")] = 300,
    results: Results = RESULTS,
    note: Note = "",
) -> None:
    """Fill a store with random chunks of several tenants and groups, and search it."""
    facts = machine("search", peer_versions(Path(sys.prefix), ("qdrant-edge-py",)))

    def run(console: Console) -> Report:
        filled, rows = measure(chunks, searches, lambda what: console.print(f"{what} ..."))
        return Report(facts, os.getloadavg()[0], note, filled, rows)

    publish(run, results, TABLE_WIDTH)


if __name__ == "__main__":
    typer.run(main)
