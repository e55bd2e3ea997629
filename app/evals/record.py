"""Recording an evaluation in MLflow: one run with params, metrics, answers, figures and the dataset.

The run is made after the last question, so an eval that is stopped leaves nothing, and one that is
run again adds a run of its own.
"""

import json
from collections.abc import Mapping
from typing import Any

from app.evals.report import Report
from app.evals.task import Evaluation, Graded
from app.evals.tracking import new_run

CONTEXT_TAG = "mlflow.data.context"


def record(evaluation: Evaluation, report: Report, *, url: str, experiment: str, params: Mapping[str, object]) -> str:
    """Write the run; returns its link. Raises TrackingError; the run is then marked as failed, if it was made."""
    dataset = evaluation.dataset
    with new_run(url, experiment, f"{params.get('model', 'eval')} on {dataset.name}", _tags(params)) as run:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        from app.evals.plots import latency_figure, outcomes_figure

        run.log_numbers(report.metrics(), params)
        described = Dataset(
            name=dataset.name,
            digest=dataset.sha256[:16],  # MLflow keeps 36 characters; the whole digest is a param
            source_type="local",
            source=json.dumps({"uri": str(dataset.path)}),
            profile=json.dumps({"samples": len(dataset.samples)}),
        )
        run.client.log_inputs(run.id, [DatasetInput(described, [InputTag(CONTEXT_TAG, "evaluation")])])
        run.client.log_artifact(run.id, str(dataset.path), "dataset")
        run.client.log_table(run.id, answer_table(evaluation), "answers.json")
        run.client.log_figure(run.id, latency_figure(evaluation), "plots/latency.png")
        run.client.log_figure(run.id, outcomes_figure(evaluation), "plots/outcomes.png")
    return run.link


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


def _tags(params: Mapping[str, object]) -> dict[str, str]:
    tags = {"mlflow.source.name": "jobs.evaluate", "mlflow.source.type": "JOB"}
    if "git_commit" in params:
        tags["mlflow.source.git.commit"] = str(params["git_commit"]).removesuffix("-dirty")
    return tags
