"""Recording the judge's training in MLflow: one run with the model, the curves and every tested pair."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from app.evals.cache_judge.groups import Pair
from app.evals.cache_judge.report import JudgeReport
from app.evals.tracking import new_run


def record_judge(
    report: JudgeReport,
    tested: Sequence[Pair],
    scores: Sequence[float],
    models: Mapping[str, Path],
    *,
    url: str,
    experiment: str,
    params: Mapping[str, object],
) -> str:
    """Write the run, `scores` has a probability for each tested pair, `models` the files to keep, by the folder that
    each is put into; returns the run's link. Raises TrackingError; the run is then marked as failed."""
    tags = {"mlflow.source.name": "jobs.train_cache_judge", "mlflow.source.type": "JOB", "verdict": report.verdict}
    with new_run(url, experiment, "cache judge", tags) as run:
        from app.evals.cache_judge.plots import curve_figure

        run.log_numbers(report.metrics(), params)
        run.client.log_figure(run.id, curve_figure(report), "plots/curve.png")
        for method, curve in report.curves.items():
            rows = {"score": curve.scores.tolist(), "same": curve.same.tolist(), "kind": curve.kinds.tolist()}
            run.client.log_table(run.id, rows, f"curves/{method.replace(' ', '_')}.json")
        pairs = {
            "group": [pair.group.name for pair in tested],
            "kind": [pair.kind for pair in tested],
            "a": [pair.a for pair in tested],
            "b": [pair.b for pair in tested],
            "same": [pair.is_same for pair in tested],
            "score": [round(float(score), 4) for score in scores],
        }
        run.client.log_table(run.id, pairs, "pairs.json")
        for folder, model in models.items():
            run.client.log_artifact(run.id, str(model), folder)
    return run.link
