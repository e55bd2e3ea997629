"""Fill a store, ask it, and count."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from app.config import RetrievalConfig
from app.retrieval.embedded_store import EmbeddedStore
from app.retrieval.search.search import JUDGED
from app.retrieval.terms import query_terms
from app.retrieval.types import Comparison, Vector, Where
from benchmarks.search.corpus import CHUNKS_A_DOCUMENT, DIMENSIONS, TENANTS, Corpus, Question

TOP = 10
POOL = RetrievalConfig().candidates  # that the stack's search takes from each side, of which it judges JUDGED
SAME = 100  # questions that are asked in turn
STAGED_AT_ONCE = 10  # documents
WARM_UP = 30
WRITTEN_BESIDE = 100  # documents that are staged while it is asked
WHERE = Comparison("year", "gte", 2015)


@dataclass(frozen=True)
class Row:
    """One kind of search in one tenant. Milliseconds."""

    what: str
    tenant: str
    chunks: int  # of the tenant
    readable: float  # share of them, the mean of the questions' readers
    searches: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    longest_ms: float
    cpu_ms: float  # of all threads of the process, the mean
    recall: float | None  # of the exact nearest, at TOP


@dataclass(frozen=True)
class Filled:
    """What the store took. MB are 10^6 bytes."""

    chunks: int
    stage_s: float
    longest_stage_ms: float  # one call with STAGED_AT_ONCE documents
    commit_s: float
    open_s: float
    rss_mb: float  # more than before
    disk_mb: float


def measure(
    chunks: int, searches: int, say: Callable[[str], None], place: Path | None = None
) -> tuple[Filled, list[Row]]:
    """All of it, in a directory that is gone afterwards: in `place`, or where temporary files are."""
    with tempfile.TemporaryDirectory(dir=place) as directory:
        return asyncio.run(_measure(Path(directory), chunks, searches, say))


async def _measure(directory: Path, chunks: int, searches: int, say: Callable[[str], None]) -> tuple[Filled, list[Row]]:
    say("making vectors")
    corpus = Corpus(chunks)
    say("staging")
    filled = await _fill(directory, corpus)
    store = EmbeddedStore(directory, DIMENSIONS)
    rows = []
    tenants = list(TENANTS)[:3]
    for tenant in tenants:
        say(f"asking {tenant}")
        first = corpus.question(tenant)
        await store.search(first.reader, first.vector, query_terms(first.words), TOP)
        await store.idle()  # until its terms are counted
        for what, kind in _KINDS:
            # Others each time: what one row has found, the next one need not read.
            questions = [corpus.question(tenant) for _ in range(searches + WARM_UP)]
            rows.append(await _row(what, store, corpus, questions, kind, is_exact=not kind.has_terms))
        again = [questions[number % SAME] for number in range(searches + WARM_UP)]
        rows.append(await _row(f"{SEARCH}, {SAME} questions in turn", store, corpus, again, _KINDS[-1][1]))
    questions = [corpus.question(tenants[0]) for _ in range(searches + WARM_UP)]
    rows.append(await _row(f"both, {TOP} each, year >= 2015", store, corpus, questions, _Kind(TOP, where=WHERE)))
    say("asking beside a run that stages")
    rows.append(await _beside(store, corpus, questions))
    await store.close()
    return filled, rows


async def _fill(directory: Path, corpus: Corpus) -> Filled:
    process = psutil.Process()
    before = process.memory_info().rss
    store = EmbeddedStore(directory, DIMENSIONS)
    stage_s, commit_s, longest = 0.0, 0.0, 0.0
    for tenant in TENANTS:
        documents = list(corpus.documents(tenant))
        for start in range(0, len(documents), STAGED_AT_ONCE):
            some = documents[start : start + STAGED_AT_ONCE]
            vectors: list[Vector] = [vector for _, own in some for vector in own]
            began = time.perf_counter()
            await store.stage(tenant, [chunk for made, _ in some for chunk in made], vectors)
            took = time.perf_counter() - began
            stage_s, longest = stage_s + took, max(longest, took)
        del documents
        began = time.perf_counter()
        await store.commit(tenant)
        commit_s += time.perf_counter() - began
    await store.close()
    disk = _on_disk(directory)
    began = time.perf_counter()
    again = EmbeddedStore(directory, DIMENSIONS)
    open_s = time.perf_counter() - began
    rss = process.memory_info().rss - before
    await again.close()
    return Filled(len(corpus.tenants), stage_s, longest * 1000, commit_s, open_s, rss / 1e6, disk / 1e6)


def _on_disk(directory: Path) -> int:
    return sum(file.stat().st_blocks * 512 for file in directory.rglob("*") if file.is_file())


@dataclass(frozen=True)
class _Kind:
    limit: int
    has_vector: bool = True
    has_terms: bool = True
    where: Where | None = None
    keep: int | None = None


SEARCH = f"both, {POOL} each, {JUDGED} read"
_KINDS = (
    (f"dense, {TOP}", _Kind(TOP, has_terms=False)),
    (f"terms, {TOP}", _Kind(TOP, has_vector=False)),
    (f"both, {TOP} each", _Kind(TOP)),
    (SEARCH, _Kind(POOL, keep=JUDGED)),
)


async def _row(
    what: str, store: EmbeddedStore, corpus: Corpus, questions: list[Question], kind: _Kind, is_exact: bool = False
) -> Row:
    took: list[float] = []
    answers: list[set[int]] = []
    cpu_s = 0.0
    for number, question in enumerate(questions):
        terms = query_terms(question.words) if kind.has_terms else None
        vector = question.vector if kind.has_vector else None
        began, began_cpu = time.perf_counter(), time.process_time()
        found = await store.search(question.reader, vector, terms, kind.limit, kind.where, kind.keep)
        if number >= WARM_UP:
            took.append((time.perf_counter() - began) * 1000)
            cpu_s += time.process_time() - began_cpu
        answers.append({corpus.place(candidate.chunk) for candidate in found})
    # Behind the searches, for it leaves nothing of them in the processor's caches.
    best = [corpus.nearest(question, TOP) for question in questions] if is_exact else []
    recalls = [len(answer & exact) / len(exact) for answer, exact in zip(answers, best, strict=False) if exact]
    return _summed(what, corpus, questions, took, cpu_s, float(np.mean(recalls)) if recalls else None)


async def _beside(store: EmbeddedStore, corpus: Corpus, questions: list[Question]) -> Row:
    """As a client sees it, who waits for the loop and for the interpreter, which writing uses too."""
    source = [pair for _, pair in zip(range(WRITTEN_BESIDE), corpus.documents("medium"), strict=False)]

    async def write() -> None:
        for made, vectors in source:
            await store.stage("medium", made, vectors)

    writing = asyncio.create_task(write())
    loop = asyncio.get_running_loop()
    took: list[float] = []
    cpu_s = 0.0
    while not writing.done():
        due = loop.time() + 0.01
        await asyncio.sleep(0.01)
        question = questions[len(took) % len(questions)]
        began_cpu = time.process_time()
        await store.search(question.reader, question.vector, query_terms(question.words), TOP)
        cpu_s += time.process_time() - began_cpu
        took.append((loop.time() - due) * 1000)
    await writing
    await store.discard("medium")
    what = f"both, {TOP} each, while {WRITTEN_BESIDE * CHUNKS_A_DOCUMENT:,} chunks are staged"
    return _summed(what, corpus, questions, took, cpu_s, None)


def _summed(
    what: str, corpus: Corpus, questions: list[Question], took: list[float], cpu_s: float, recall: float | None
) -> Row:
    tenant = questions[0].reader.tenant
    chunks = len(corpus.of(tenant))
    readable = float(np.mean([corpus.readable(question.reader).mean() for question in questions[:50]]))
    p50, p95, p99, longest = (float(value) for value in np.percentile(took, (50, 95, 99, 100)))
    return Row(what, tenant, chunks, readable, len(took), p50, p95, p99, longest, cpu_s * 1000 / len(took), recall)
