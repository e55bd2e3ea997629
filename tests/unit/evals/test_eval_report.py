"""Aggregates leave out what was unscored or failed, and say how many were counted."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from app.evals import Answer, Dataset, Evaluation, Graded, Sample, aggregate
from app.evals.gate import gate
from app.evals.plots import latency_figure, outcomes_figure
from app.evals.progress import show_progress
from app.evals.report import failures


def graded(name: str, recall: float | None, *, latency_s: float = 1.0, error: str | None = None) -> Graded:
    answer = Answer(
        name,
        prompt_tokens=10,
        completion_tokens=5,
        ttft_s=0.2,
        latency_s=latency_s,
        cache="miss",
        error=error,
    )
    return Graded(Sample(name, "?"), answer, {"recall_at_5": recall})


def evaluation(*results: Graded) -> Evaluation:
    samples = tuple(result.sample for result in results)
    return Evaluation(Dataset("set", Path("set.jsonl"), "0" * 64, samples), results, wall_s=2.0)


MIXED = evaluation(
    graded("a", 1.0, latency_s=1.0),
    graded("b", 0.0, latency_s=3.0),
    graded("c", None, latency_s=2.0),
    graded("d", None, latency_s=99.0, error="500: a bug"),
)


def test_unscored_samples_stay_out_of_the_mean() -> None:
    mean = aggregate(MIXED).scores["recall_at_5"]
    assert (mean.value, mean.scored) == (0.5, 2)


def test_failed_requests_count_as_errors_and_in_no_other_number() -> None:
    report = aggregate(MIXED)
    assert (report.samples, report.errors) == (4, 1)
    assert report.latency is not None
    assert report.latency.p50 == 2.0
    assert (report.prompt_tokens, report.completion_tokens, report.tokens_per_s) == (30, 15, 7.5)


def test_metrics_leave_out_what_was_not_measured() -> None:
    metrics = aggregate(evaluation(graded("a", None, error="500: a bug"))).metrics()
    assert metrics["recall_at_5_scored"] == 0
    assert metrics["errors"] == 1
    assert not {"recall_at_5", "recall_at_5_low", "latency_p50_s"} & set(metrics)


def test_metrics_carry_interval_and_percentiles() -> None:
    metrics = aggregate(MIXED).metrics()
    assert metrics["recall_at_5_low"] <= metrics["recall_at_5"] <= metrics["recall_at_5_high"]
    assert metrics["latency_p50_s"] <= metrics["latency_p95_s"] <= metrics["latency_p99_s"]
    assert metrics["ttft_p50_s"] == pytest.approx(0.2)


def test_cache_hits_are_counted() -> None:
    hit = Graded(Sample("a", "?"), Answer("a", cache="exact"), {})
    assert aggregate(evaluation(hit, graded("b", None))).cache_hits == 1


def test_the_table_says_how_many_were_scored() -> None:
    console = Console(file=io.StringIO(), width=100)
    console.print(aggregate(MIXED).table("docs on set"))
    assert isinstance(console.file, io.StringIO)
    assert "2 of 4" in console.file.getvalue()


def test_an_evaluation_of_nothing_has_a_report() -> None:
    assert aggregate(evaluation()).metrics()["samples"] == 0


@pytest.mark.parametrize(
    ("least", "most_errors", "says"),
    [
        (None, 1, []),
        (0.5, 1, []),
        (0.6, 1, ["recall_at_5 is 0.500, below --min-recall 0.6"]),
        (None, 0, ["1 of 4 requests failed (--max-errors 0)"]),
    ],
)
def test_the_gate_holds_recall_and_failures(least: float | None, most_errors: int, says: list[str]) -> None:
    assert gate(aggregate(MIXED), "recall_at_5", min_recall=least, max_errors=most_errors) == says


def test_the_gate_does_not_pass_what_was_not_measured() -> None:
    report = aggregate(evaluation(graded("a", None)))
    assert gate(report, "recall_at_5", min_recall=0.0, max_errors=0) == [
        "recall_at_5 could not be measured (--min-recall 0)"
    ]


def test_failures_are_listed_up_to_a_number() -> None:
    many = evaluation(*(graded(f"q{n}", None, error="500: a bug") for n in range(7)))
    assert failures(many, most=2) == ["failed q0: 500: a bug", "failed q1: 500: a bug", "... and 5 more"]
    assert failures(MIXED) == ["failed d: 500: a bug"]


def test_progress_is_a_line_a_question_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    with show_progress(Console(file=out), 2) as advance:
        advance(MIXED.results[0])
        advance(MIXED.results[3])
    assert out.getvalue().splitlines() == ["1/2 a: 1.00 s", "2/2 d: 500: a bug"]


@pytest.mark.parametrize("case", [MIXED, evaluation(graded("a", None, error="x")), evaluation()])
def test_figures_are_drawn_whatever_the_outcome(case: Evaluation, tmp_path: Path) -> None:
    for name, figure in (("latency", latency_figure(case)), ("outcomes", outcomes_figure(case))):
        figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 1000
