"""Recording a router's training in MLflow: one run with the classifier, the figures and every answer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.evals.tiers.grades import Pair
from app.evals.tiers.logistic import Floats
from app.evals.tiers.report import RouterReport
from app.evals.tracking import new_run


def record_training(
    report: RouterReport,
    pairs: Sequence[Pair],
    probabilities: Floats,
    classifier: Path,
    dataset: Path,
    *,
    url: str,
    experiment: str,
    params: Mapping[str, object],
) -> str:
    """Write the run, `probabilities` has one for each pair; returns its link. Raises TrackingError; the run is then
    marked as failed."""
    title = f"{params['small']} or {params['large']}"
    tags = {"mlflow.source.name": "jobs.train_router", "mlflow.source.type": "JOB", "verdict": report.verdict}
    with new_run(url, experiment, title, tags) as run:
        from app.evals.tiers.plots import calibration_figure, curve_figure

        run.log_numbers(report.metrics(), params)
        tested = [row for row, pair in enumerate(pairs) if not pair.is_for_training]
        curve_title = f"{title}, {len(tested)} prompts"
        held_out, held_out_probabilities = [pairs[row] for row in tested], probabilities[tested]
        calibration = calibration_figure(held_out, held_out_probabilities, "Calibration, test half")
        run.client.log_figure(run.id, curve_figure(report.comparison, curve_title), "plots/curve.png")
        run.client.log_figure(run.id, calibration, "plots/calibration.png")
        routing = routing_table(pairs, probabilities, report.comparison.threshold)
        run.client.log_table(run.id, routing, "routing.json")
        curve = report.comparison.tiered_curve
        run.client.log_table(run.id, {"saved": curve.saved.tolist(), "kept": curve.kept.tolist()}, "curve.json")
        run.client.log_artifact(run.id, str(classifier), "classifier")
        run.client.log_artifact(run.id, str(dataset), "dataset")
    return run.link


def routing_table(pairs: Sequence[Pair], probabilities: Floats, threshold: float) -> dict[str, list[Any]]:
    """Column name -> one value a prompt."""
    return {
        "id": [pair.id for pair in pairs],
        "category": [pair.category for pair in pairs],
        "half": ["train" if pair.is_for_training else "test" for pair in pairs],
        "question": [pair.question for pair in pairs],
        "probability": [round(float(p), 4) for p in probabilities],
        "to": ["small" if p >= threshold else "large" for p in probabilities],
        "small_grade": [pair.small.grade for pair in pairs],
        "large_grade": [pair.large.grade for pair in pairs],
        "small_answer": [pair.small.text for pair in pairs],
        "large_answer": [pair.large.text for pair in pairs],
        "small_tokens": [pair.small.prompt_tokens + pair.small.completion_tokens for pair in pairs],
        "large_tokens": [pair.large.prompt_tokens + pair.large.completion_tokens for pair in pairs],
    }
