"""What is ours, each in a process of its own: `python -m benchmarks.ingest.own pipeline|raw FOLDER MODEL STORE`.

`pipeline` is what the job does without the stack: read, parse, cut, compare, embed, and store in the embedded engine.
`raw` is the embedder alone: all the same texts, in the fastest of several ways that a sample is embedded in.

The last line on standard output is a `Measured` as JSON.
"""

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from app.ingest.attributes import Attributes
from app.ingest.chunk import embedding_text
from app.ingest.discover import discover
from app.ingest.document import DEFAULT_LIMITS
from app.ingest.ingest import Options, ingest
from app.ingest.prepare import Order, Prepared, Recipe, prepare
from app.ingest.scan import Hasher, load, scan
from app.ingest.workers import LocalWorkers
from app.retrieval.embedded_store import EmbeddedStore
from app.retrieval.embedder import Embedder

DIMENSIONS = 384
SAMPLE = 256  # passages
Way = Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class Measured:
    """One pipeline over all documents. Models are loaded, and libraries imported, before the clock starts."""

    documents: int
    passages: int
    tokens: int  # of what was embedded, special tokens left out, cut where the model cuts
    seconds: float
    cpu_seconds: float
    way: str = ""


def main() -> None:
    """Run one, and print what came of it."""
    what, folder, model, store = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
    measured = asyncio.run(pipeline(folder, model, store)) if what == "pipeline" else raw(folder, model)
    print(json.dumps(asdict(measured)))


async def pipeline(folder: Path, model: Path, directory: Path) -> Measured:
    """The whole way into the store, as one commit."""
    embedder = Embedder(model, threads=1)
    workers = LocalWorkers(embedder, os.cpu_count() or 1)
    store = EmbeddedStore(directory, DIMENSIONS)
    watch = _Watch()
    report = await ingest(discover([str(folder)], folder.parent), store, workers, Options("bench", "model"))
    seconds, cpu_seconds = watch.stop()
    texts = [embedding_text(chunk) async for chunk, _ in store.export("bench")]
    await store.close()
    workers.close()
    return Measured(len(report.new), len(texts), _tokens(embedder, texts), seconds, cpu_seconds)


def raw(folder: Path, model: Path) -> Measured:
    """The embedder on the texts that the pipeline embeds."""
    threads = os.cpu_count() or 1
    single = Embedder(model, threads=1)
    hasher = Hasher("model", Attributes())
    found = scan(discover([str(folder)], folder.parent).sources, hasher, DEFAULT_LIMITS).found
    orders = [Order(load(each, hasher, DEFAULT_LIMITS)) for each in found.values()]
    prepared = prepare(orders, single, Recipe("bench", single.max_tokens, signs=False))
    documents = [each for each in prepared if isinstance(each, Prepared)]
    texts = sorted((embedding_text(chunk) for each in documents for chunk in each.chunks), key=len)
    ways = _ways(single, Embedder(model, threads=threads), threads)
    sample = texts[:: max(1, len(texts) // SAMPLE)]
    name = min(ways, key=lambda each: _time(ways[each], sample))
    watch = _Watch()
    ways[name](texts)
    seconds, cpu_seconds = watch.stop()
    return Measured(len(documents), len(texts), _tokens(single, texts), seconds, cpu_seconds, name)


def _ways(single: Embedder, wide: Embedder, threads: int) -> dict[str, Way]:
    """Texts come in the order of their length."""

    def side_by_side(batch: int, texts: Sequence[str]) -> None:
        slices = [list(texts[begin : begin + batch]) for begin in range(0, len(texts), batch)]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda some: single.embed(some, batch), slices))

    def in_one(batch: int, texts: Sequence[str]) -> None:
        wide.embed(texts, batch)

    ways: dict[str, Way] = {}
    for batch in (1, 4, 16):
        ways[f"{threads} threads, {batch} at a time each"] = partial(side_by_side, batch)
    for batch in (8, 32):
        ways[f"one session over {threads} cores, {batch} at a time"] = partial(in_one, batch)
    return ways


def _time(way: Way, texts: Sequence[str]) -> float:
    way(texts[:8])
    watch = _Watch()
    way(texts)
    return watch.stop()[0]


def _tokens(embedder: Embedder, texts: Sequence[str]) -> int:
    return sum(min(count, embedder.max_tokens - 2) for count in embedder.count_tokens(texts))


class _Watch:
    def __init__(self) -> None:
        self._began, self._cpu = time.perf_counter(), _cpu_seconds()

    def stop(self) -> tuple[float, float]:
        """Seconds and CPU seconds since."""
        return time.perf_counter() - self._began, _cpu_seconds() - self._cpu


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
