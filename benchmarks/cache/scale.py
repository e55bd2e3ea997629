"""The semantic cache's index at 100,000 entries: look-ups, writes, memory, eviction.

    python -m benchmarks.cache.scale [--entries 100000] [--out results.json]

Prints a table; with --out writes the numbers as JSON. Each case runs in a process of its own, so that its memory is its
own.
"""

import asyncio
import json
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from app.cache.semantic.edge_index import EdgeIndex
from app.cache.semantic.points import point_id
from app.cache.semantic.types import Indexed
from app.clock import now_ms

DIMENSIONS = 384
LOOK_UPS = 2000
LOOK_UPS_WHILE_WRITING = 1000
WRITES_PER_S = 100  # while look-ups are measured: far above what a stack here misses in a second
CANDIDATES = 4
NOISE = 0.3  # length of what is added to a stored vector of length 1: a paraphrase, cosine 0.96
TENANT = "bench"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds, MB (10^6 bytes), points a second."""

    entries: int
    scopes: int
    put_per_s: float
    put_p50_ms: float
    put_p99_ms: float
    longest_put_ms: float  # the one in which the engine quantised a segment
    search_p50_ms: float
    search_p99_ms: float
    writing_p50_ms: float
    writing_p99_ms: float
    found_share: float  # of disturbed vectors whose own point came first
    rss_mb: float
    disk_mb: float
    entries_after_overflow: int
    open_s: float


def measure(entries: int, scopes: int) -> Measured:
    """One case, in a directory that is gone afterwards."""
    with tempfile.TemporaryDirectory() as directory:
        return asyncio.run(_measure(Path(directory), entries, scopes))


async def _measure(directory: Path, entries: int, scopes: int) -> Measured:
    draw = np.random.default_rng(7)
    vectors = _vectors(draw, entries)
    process = psutil.Process()
    before = process.memory_info().rss
    index = EdgeIndex(directory, DIMENSIONS, entries)
    started = time.perf_counter()
    put_ms = [await _put(index, n, scopes, vectors[n]) for n in range(entries)]
    put_s = time.perf_counter() - started
    rss_mb = (process.memory_info().rss - before) / 1e6
    search_ms, found = [], 0
    for _ in range(LOOK_UPS):
        took, own = await _look_up(index, draw, vectors, scopes)
        search_ms.append(took)
        found += own
    writing_ms = await _while_writing(index, draw, vectors, scopes)
    for n in range(entries // 20):  # five in a hundred past the bound
        await _put(index, 3 * entries + n, scopes, vectors[n])
    after = await index.count()
    await index.close()
    disk_mb = _disk_mb(directory)
    started = time.perf_counter()
    again = EdgeIndex(directory, DIMENSIONS, entries)
    open_s = time.perf_counter() - started
    await again.close()
    put_p50, put_p99, longest = _percentiles(put_ms, 50, 99, 100)
    search_p50, search_p99 = _percentiles(search_ms, 50, 99)
    writing_p50, writing_p99 = _percentiles(writing_ms, 50, 99)
    return Measured(
        entries=entries,
        scopes=scopes,
        put_per_s=entries / put_s,
        put_p50_ms=put_p50,
        put_p99_ms=put_p99,
        longest_put_ms=longest,
        search_p50_ms=search_p50,
        search_p99_ms=search_p99,
        writing_p50_ms=writing_p50,
        writing_p99_ms=writing_p99,
        found_share=found / LOOK_UPS,
        rss_mb=rss_mb,
        disk_mb=disk_mb,
        entries_after_overflow=after,
        open_s=open_s,
    )


async def _put(index: EdgeIndex, n: int, scopes: int, vector: NDArray[np.float32]) -> float:
    scope, question, now = f"scope {n % scopes}", f"How do I do the thing with the number {n}?", now_ms()
    point = Indexed(point_id(TENANT, scope, question), TENANT, scope, question, f"{n:064x}", now, now + 3_600_000)
    started = time.perf_counter()
    await index.put(point, vector)
    return (time.perf_counter() - started) * 1000


async def _look_up(
    index: EdgeIndex, draw: np.random.Generator, vectors: NDArray[np.float32], scopes: int
) -> tuple[float, bool]:
    n = int(draw.integers(len(vectors)))
    noise = draw.normal(size=DIMENSIONS)
    asked = vectors[n] + NOISE * noise / np.linalg.norm(noise)
    asked = (asked / np.linalg.norm(asked)).astype(np.float32)
    started = time.perf_counter()
    found = await index.search(TENANT, f"scope {n % scopes}", asked, CANDIDATES, now_ms())
    took = (time.perf_counter() - started) * 1000
    return took, bool(found) and found[0][0].key == f"{n:064x}"


async def _while_writing(
    index: EdgeIndex, draw: np.random.Generator, vectors: NDArray[np.float32], scopes: int
) -> list[float]:
    """Look-ups as a client sees them: with the time that they wait for the loop, which writes use too."""
    done = asyncio.Event()

    async def write() -> None:
        n = 2 * len(vectors)
        while not done.is_set():
            await _put(index, n, scopes, vectors[n % len(vectors)])
            n += 1
            await asyncio.sleep(1 / WRITES_PER_S)

    writing = asyncio.create_task(write())
    loop = asyncio.get_running_loop()
    took = []
    for _ in range(LOOK_UPS_WHILE_WRITING):
        due = loop.time() + 0.005
        await asyncio.sleep(0.005)
        await _look_up(index, draw, vectors, scopes)
        took.append((loop.time() - due) * 1000)
    done.set()
    await writing
    return took


def _disk_mb(directory: Path) -> float:
    return sum(file.stat().st_blocks * 512 for file in directory.rglob("*") if file.is_file()) / 1e6


def _vectors(draw: np.random.Generator, count: int) -> NDArray[np.float32]:
    made = draw.normal(size=(count, DIMENSIONS)).astype(np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made


def _percentiles(values: list[float], *at: float) -> list[float]:
    return [round(float(value), 3) for value in np.percentile(values, at)]


@app.command()
def scale(
    entries: Annotated[int, typer.Option(min=1000, help="Entries, and the bound.")] = 100_000,
    out: Annotated[Path | None, typer.Option(help="JSON file for the numbers.")] = None,
) -> None:
    """Measure the index with all entries in one scope, and in a thousand scopes."""
    # A fresh interpreter for each: memory that a case has freed would hide what the next one takes.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        cases = [pool.submit(measure, entries, scopes).result() for scopes in (1, 1000)]
    table = Table(title=f"Semantic index, {entries:,} entries of {DIMENSIONS} dimensions", title_justify="left")
    table.add_column("")
    for case in cases:
        table.add_column(f"{case.scopes:,} scope{'s' if case.scopes > 1 else ''}", justify="right")
    for name, values in {key: [asdict(case)[key] for case in cases] for key in asdict(cases[0])}.items():
        if name not in ("entries", "scopes"):
            table.add_row(name, *(f"{value:,.3f}" if isinstance(value, float) else f"{value:,}" for value in values))
    Console(highlight=False).print(table)
    if out is not None:
        out.write_text(json.dumps([asdict(case) for case in cases], indent=2) + "\n")


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.cache.scale")
