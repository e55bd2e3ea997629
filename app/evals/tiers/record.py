"""Recording a router's training in MLflow: one run with the classifier, the figures and every answer."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.evals.record import Recorded, find_experiment, open_client, translated
from app.evals.tiers.grades import Pair
from app.evals.tiers.logistic import Floats
from app.evals.tiers.report import RouterReport


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
) -> Recorded:
    """Write the run; `probabilities` has one for each pair. Raises TrackingError; the run is then marked as failed."""
    client = open_client(url)
    with translated(url):
        experiment_id = find_experiment(client, experiment)
        name = f"{params['small']} or {params['large']}"
        tags = {"mlflow.source.name": "jobs.train_router", "mlflow.source.type": "JOB", "verdict": report.verdict}
        run_id: str = client.create_run(experiment_id, run_name=name, tags=tags).info.run_id
        finished = False
        try:
            _write(client, run_id, report, pairs, probabilities, params)
            client.log_artifact(run_id, str(classifier), "classifier")
            client.log_artifact(run_id, str(dataset), "dataset")
            finished = True
        finally:
            client.set_terminated(run_id, "FINISHED" if finished else "FAILED")
    if not url.startswith(("http://", "https://")):
        return Recorded(run_id, run_id)
    return Recorded(run_id, f"{url.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}")


def _write(
    client: Any,
    run_id: str,
    report: RouterReport,
    pairs: Sequence[Pair],
    probabilities: Floats,
    params: Mapping[str, object],
) -> None:
    from mlflow.entities import Metric, Param

    from app.evals.tiers.plots import calibration_figure, curve_figure

    now_ms = int(time.time() * 1000)
    client.log_batch(
        run_id,
        metrics=[Metric(key, value, now_ms, 0) for key, value in report.metrics().items()],
        params=[Param(key, str(value)) for key, value in params.items()],
    )
    tested = [row for row, pair in enumerate(pairs) if not pair.is_for_training]
    held_out, title = [pairs[row] for row in tested], f"{params['small']} or {params['large']}"
    client.log_figure(run_id, curve_figure(report.comparison, f"{title}, {len(tested)} prompts"), "plots/curve.png")
    client.log_figure(
        run_id, calibration_figure(held_out, probabilities[tested], "Calibration, test half"), "plots/calibration.png"
    )
    client.log_table(run_id, routing_table(pairs, probabilities, report.comparison.threshold), "routing.json")
    curve = report.comparison.tiered_curve
    client.log_table(run_id, {"saved": curve.saved.tolist(), "kept": curve.kept.tolist()}, "curve.json")


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
