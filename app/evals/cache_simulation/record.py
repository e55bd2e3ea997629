"""Recording a simulation in MLflow: one run with the figures, the plot and every trial."""

import time
from collections.abc import Mapping

from app.evals.cache_simulation.report import SimulationReport
from app.evals.record import Recorded, find_experiment, open_client, translated


def record_simulation(report: SimulationReport, *, url: str, experiment: str, params: Mapping[str, object]) -> Recorded:
    """Write the run. Raises TrackingError; the run is then marked as failed."""
    client = open_client(url)
    with translated(url):
        from mlflow.entities import Metric, Param

        from app.evals.cache_simulation.plots import stream_figure

        experiment_id = find_experiment(client, experiment)
        tags = {"mlflow.source.name": "jobs.simulate_cache", "mlflow.source.type": "JOB", "verdict": report.verdict}
        run_id: str = client.create_run(experiment_id, run_name="verified cache", tags=tags).info.run_id
        finished = False
        try:
            now_ms = int(time.time() * 1000)
            client.log_batch(
                run_id,
                metrics=[Metric(key, value, now_ms, 0) for key, value in report.metrics().items()],
                params=[Param(key, str(value)) for key, value in params.items()],
            )
            client.log_figure(run_id, stream_figure(report.trials), "plots/stream.png")
            client.log_table(run_id, report.rows(), "trials.json")
            finished = True
        finally:
            client.set_terminated(run_id, "FINISHED" if finished else "FAILED")
    if not url.startswith(("http://", "https://")):
        return Recorded(run_id, run_id)
    return Recorded(run_id, f"{url.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}")
