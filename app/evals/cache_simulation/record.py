"""Recording a simulation in MLflow: one run with the figures, the plot and every trial."""

from collections.abc import Mapping

from app.evals.cache_simulation.report import SimulationReport
from app.evals.tracking import new_run


def record_simulation(report: SimulationReport, *, url: str, experiment: str, params: Mapping[str, object]) -> str:
    """Write the run; returns its link. Raises TrackingError; the run is then marked as failed."""
    tags = {"mlflow.source.name": "jobs.simulate_cache", "mlflow.source.type": "JOB", "verdict": report.verdict}
    with new_run(url, experiment, "verified cache", tags) as run:
        from app.evals.cache_simulation.plots import stream_figure

        run.log_numbers(report.metrics(), params)
        run.client.log_figure(run.id, stream_figure(report.trials), "plots/stream.png")
        run.client.log_table(run.id, report.rows(), "trials.json")
    return run.link
