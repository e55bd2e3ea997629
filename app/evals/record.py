"""Recording an evaluation in MLflow: one run with params, metrics, answers, figures and the dataset.

The run is made after the last question, so an eval that is stopped leaves nothing, and one that is
run again adds a run of its own. The client is used, not the fluent API, whose state is global.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from app.evals.errors import TrackingError
from app.evals.report import Report
from app.evals.task import Evaluation, Graded

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHECK_TIMEOUT_S = 5.0
CONTEXT_TAG = "mlflow.data.context"


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where the run is. `link` is a page when MLflow is a server, else the run's id."""

    run_id: str
    link: str


def check_tracking(url: str) -> None:
    """Raise TrackingError when no MLflow server answers; MLflow's client would retry for minutes."""
    if not url.startswith(("http://", "https://")):
        return
    try:
        answer = httpx.get(f"{url.rstrip('/')}/health", timeout=CHECK_TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL):
        raise TrackingError(
            f"no MLflow server answers at {url}; start it, pass --mlflow-url, or pass --no-record"
        ) from None
    if answer.status_code != httpx.codes.OK:
        raise TrackingError(f"{url}/health answers {answer.status_code}; is --mlflow-url an MLflow server?")


def record(
    evaluation: Evaluation, report: Report, *, url: str, experiment: str, params: Mapping[str, object]
) -> Recorded:
    """Write the run. Raises TrackingError; the run is then marked as failed, if it was made."""
    client = open_client(url)
    with translated(url):
        experiment_id = find_experiment(client, experiment)
        name = f"{params.get('model', 'eval')} on {evaluation.dataset.name}"
        run_id: str = client.create_run(experiment_id, run_name=name, tags=_tags(params)).info.run_id
        finished = False
        try:
            _write(client, run_id, evaluation, report, params)
            finished = True
        finally:
            client.set_terminated(run_id, "FINISHED" if finished else "FAILED")
    if not url.startswith(("http://", "https://")):
        return Recorded(run_id, run_id)
    return Recorded(run_id, f"{url.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}")


def _write(
    client: "MlflowClient",
    run_id: str,
    evaluation: Evaluation,
    report: Report,
    params: Mapping[str, object],
) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

    from app.evals.plots import latency_figure, outcomes_figure

    now_ms = int(time.time() * 1000)
    dataset = evaluation.dataset
    client.log_batch(
        run_id,
        metrics=[Metric(key, value, now_ms, 0) for key, value in report.metrics().items()],
        params=[Param(key, str(value)) for key, value in params.items()],
    )
    described = Dataset(
        name=dataset.name,
        digest=dataset.sha256[:16],  # MLflow keeps 36 characters; the whole digest is a param
        source_type="local",
        source=json.dumps({"uri": str(dataset.path)}),
        profile=json.dumps({"samples": len(dataset.samples)}),
    )
    client.log_inputs(run_id, [DatasetInput(described, [InputTag(CONTEXT_TAG, "evaluation")])])
    client.log_artifact(run_id, str(dataset.path), "dataset")
    client.log_table(run_id, answer_table(evaluation), "answers.json")
    client.log_figure(run_id, latency_figure(evaluation), "plots/latency.png")
    client.log_figure(run_id, outcomes_figure(evaluation), "plots/outcomes.png")


def answer_table(evaluation: Evaluation) -> dict[str, list[Any]]:
    """Column name -> one value a question, in dataset order."""
    rows = [_row(result) for result in evaluation.results]
    return {column: [row[column] for row in rows] for column in rows[0]} if rows else {}


def _row(result: Graded) -> dict[str, Any]:
    sample, answer = result.sample, result.answer
    return {
        "id": sample.id,
        "question": sample.question,
        "answer": answer.text,
        "error": answer.error,
        **result.scores,
        "documents": list(sample.documents),
        "cited_documents": [citation.document for citation in answer.citations or ()],
        "citation_scores": [round(citation.score, 4) for citation in answer.citations or ()],
        "key_phrases": list(sample.answers),
        "tags": list(sample.tags),
        "latency_s": answer.latency_s,
        "ttft_s": answer.ttft_s,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "cache": answer.cache,
        "finish_reason": answer.finish_reason,
        "request_id": answer.request_id,
    }


def open_client(url: str) -> "MlflowClient":
    # Before the import, which reads them: no usage reports to MLflow's makers from our stack, and
    # no bars and links of its own in the job's log.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    from mlflow import MlflowClient

    with translated(url):
        return MlflowClient(tracking_uri=url)


def find_experiment(client: "MlflowClient", name: str) -> str:
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


def _tags(params: Mapping[str, object]) -> dict[str, str]:
    tags = {"mlflow.source.name": "jobs.evaluate", "mlflow.source.type": "JOB"}
    if "git_commit" in params:
        tags["mlflow.source.git.commit"] = str(params["git_commit"]).removesuffix("-dirty")
    return tags


@contextmanager
def translated(url: str) -> Iterator[None]:
    """MLflow's errors, and those of the connections and files below it, become TrackingError."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise TrackingError(f"MLflow at {url} does not take the results: {reason}") from error
