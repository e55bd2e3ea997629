"""The benchmark of the embedded store: what it asks, and what it holds to be right."""

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from app.retrieval.points import may_see
from benchmarks.machine import machine
from benchmarks.search.corpus import TENANTS, Corpus
from benchmarks.search.measure import Filled, Row, measure
from benchmarks.search.report import Report


def test_the_exact_answer_is_what_the_reader_may_see() -> None:
    corpus = Corpus(2000)
    chunks = {tenant: [each for made, _ in corpus.documents(tenant) for each in made] for tenant in TENANTS}
    assert sum(map(len, chunks.values())) == len(corpus.tenants) == len(corpus.vectors)
    assert np.allclose(np.linalg.norm(corpus.vectors, axis=1), 1, atol=1e-5)
    for tenant in ("large", "small0"):
        for _ in range(20):
            question = corpus.question(tenant)
            seen = [corpus.place(each) for each in chunks[tenant] if may_see(question.reader, each)]
            cosines = {place: float(corpus.vectors[place] @ question.vector) for place in seen}
            best = sorted(cosines, key=lambda place: -cosines[place])[:10]
            assert corpus.nearest(question, 10) == set(best)


def test_a_small_run_measures_every_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.search.measure.WARM_UP", 1)
    monkeypatch.setattr("benchmarks.search.measure.WRITTEN_BESIDE", 5)
    memory = Path("/dev/shm")
    filled, rows = measure(2000, 5, lambda _: None, memory if memory.is_dir() else None)
    assert filled.chunks >= 2000
    assert {row.tenant for row in rows} == {"large", "medium", "small0"}
    assert all(row.recall is None or row.recall > 0.9 for row in rows)
    assert sum(row.recall is not None for row in rows) == 3
    assert all(0 < row.p50_ms <= row.p99_ms <= row.longest_ms for row in rows)


def test_a_report_says_which_goals_are_missed() -> None:
    def row(what: str, p50_ms: float, recall: float | None) -> Row:
        return Row(what, "large", 10, 0.5, 100, p50_ms, 9.0, 9.0, 9.0, 1.5, recall)

    filled = Filled(10, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    rows = [row("dense, 10", 4.9, 0.979), row("both, 10 each", 5.1, None)]
    report = Report(machine("search", {}), 0.5, "", filled, rows)
    assert [line.endswith(": met.") for line in report.goals()] == [True, False, False]
    assert "NOT met" in report.markdown()
    console = Console(width=200, record=True)
    report.print(console)
    assert "recall@10" in console.export_text()
