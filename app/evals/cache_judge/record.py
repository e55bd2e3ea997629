"""Recording the judge's training in MLflow: one run with the model, the curves and every tested pair."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.evals.cache_judge.groups import Pair
from app.evals.cache_judge.report import JudgeReport
from app.evals.record import Recorded, find_experiment, open_client, translated


def record_judge(
    report: JudgeReport,
    tested: Sequence[Pair],
    scores: Sequence[float],
    model: Path,
    *,
    url: str,
    experiment: str,
    params: Mapping[str, object],
) -> Recorded:
    """Write the run; `scores` has a probability for each tested pair. Raises TrackingError; the run then has failed."""
    client = open_client(url)
    with translated(url):
        experiment_id = find_experiment(client, experiment)
        tags = {"mlflow.source.name": "jobs.train_cache_judge", "mlflow.source.type": "JOB", "verdict": report.verdict}
        run_id: str = client.create_run(experiment_id, run_name="cache judge", tags=tags).info.run_id
        finished = False
        try:
            _write(client, run_id, report, tested, scores, params)
            client.log_artifact(run_id, str(model), "model")
            finished = True
        finally:
            client.set_terminated(run_id, "FINISHED" if finished else "FAILED")
    if not url.startswith(("http://", "https://")):
        return Recorded(run_id, run_id)
    return Recorded(run_id, f"{url.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}")


def _write(
    client: Any,
    run_id: str,
    report: JudgeReport,
    tested: Sequence[Pair],
    scores: Sequence[float],
    params: Mapping[str, object],
) -> None:
    from mlflow.entities import Metric, Param

    from app.evals.cache_judge.plots import curve_figure

    now_ms = int(time.time() * 1000)
    client.log_batch(
        run_id,
        metrics=[Metric(key, value, now_ms, 0) for key, value in report.metrics().items()],
        params=[Param(key, str(value)) for key, value in params.items()],
    )
    client.log_figure(run_id, curve_figure(report), "plots/curve.png")
    for method, curve in report.curves.items():
        rows = {"score": curve.scores.tolist(), "same": curve.same.tolist(), "kind": curve.kinds.tolist()}
        client.log_table(run_id, rows, f"curves/{method.replace(' ', '_')}.json")
    pairs = {
        "group": [pair.group.name for pair in tested],
        "kind": [pair.kind for pair in tested],
        "a": [pair.a for pair in tested],
        "b": [pair.b for pair in tested],
        "same": [pair.is_same for pair in tested],
        "score": [round(float(score), 4) for score in scores],
    }
    client.log_table(run_id, pairs, "pairs.json")
