"""MLflow as the jobs use it: a run that ends as finished or failed, and errors that say what to do.

The client is used, not the fluent API, whose state is global.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from app.config.addresses import TO_MLFLOW, has_credentials, without_credentials
from app.evals.errors import TrackingError
from app.mlflow_access import authorization

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHECK_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is being written. `link` is a page when MLflow is a server, else the run's id."""

    client: "MlflowClient"
    id: str
    link: str

    def log_numbers(self, metrics: Mapping[str, float], params: Mapping[str, object]) -> None:
        """Metrics and params, in one call."""
        from mlflow.entities import Metric, Param

        now_ms = int(time.time() * 1000)
        self.client.log_batch(
            self.id,
            metrics=[Metric(key, value, now_ms, 0) for key, value in metrics.items()],
            params=[Param(key, str(value)) for key, value in params.items()],
        )


def check_tracking(url: str) -> None:
    """Raise TrackingError when no MLflow server answers; MLflow's client would retry for minutes."""
    if not _is_server(url):
        return
    if has_credentials(url):  # links and errors would show them
        raise TrackingError(f"--mlflow-url has a user name or password in it; take it out, and {TO_MLFLOW}")
    try:
        answer = httpx.get(f"{url.rstrip('/')}/health", timeout=CHECK_TIMEOUT_S, headers=authorization())
    except (httpx.HTTPError, httpx.InvalidURL):
        raise TrackingError(
            f"no MLflow server answers at {url}; start it, pass --mlflow-url, or pass --no-record"
        ) from None
    if answer.status_code != httpx.codes.OK:
        raise TrackingError(f"{url}/health answers {answer.status_code}; is --mlflow-url an MLflow server?")


@contextmanager
def new_run(url: str, experiment: str, name: str, tags: Mapping[str, str]) -> Iterator[Run]:
    """A run, in an experiment that is made where there is none. Raises TrackingError; the run is then marked as
    failed, if it was made."""
    client = _open_client(url)
    with _translated(url):
        experiment_id = _find_experiment(client, experiment)
        run_id: str = client.create_run(experiment_id, run_name=name, tags=dict(tags)).info.run_id
        page = f"{url.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"
        finished = False
        try:
            yield Run(client, run_id, page if _is_server(url) else run_id)
            finished = True
        finally:
            client.set_terminated(run_id, "FINISHED" if finished else "FAILED")


def _is_server(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _open_client(url: str) -> "MlflowClient":
    # Before the import, which reads them: no usage reports to MLflow's makers from our stack, and
    # no bars and links of its own in the job's log.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    from mlflow import MlflowClient

    with _translated(url):
        return MlflowClient(tracking_uri=url)


def _find_experiment(client: "MlflowClient", name: str) -> str:
    """The experiment's id; it is made when there is none."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            created: str = client.create_experiment(name)
        except MlflowException:
            # Another eval may have made it in between.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
        else:
            return created
    if found.lifecycle_stage != "active":
        raise TrackingError(f"the MLflow experiment {name!r} is deleted; restore it, or pass --experiment")
    experiment_id: str = found.experiment_id
    return experiment_id


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """MLflow's errors, and those of the connections and files below it, become TrackingError."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise TrackingError(f"MLflow at {without_credentials(url)} does not take the results: {reason}") from error
