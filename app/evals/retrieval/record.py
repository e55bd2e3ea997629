"""Recording a measurement of retrieval in MLflow: one run with numbers, tables, figures and the questions."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.evals.retrieval.outcomes import SCORES
from app.evals.retrieval.questions import QuestionSet
from app.evals.retrieval.report import RetrievalReport
from app.evals.tracking import new_run

CONTEXT_TAG = "mlflow.data.context"


def record_retrieval(
    report: RetrievalReport, questions: QuestionSet, *, url: str, experiment: str, params: Mapping[str, object]
) -> str:
    """Write one run; returns its link. Raises TrackingError."""
    tags = {"mlflow.source.name": "jobs.evaluate_retrieval", "mlflow.source.type": "JOB", "verdict": report.verdict}
    with new_run(url, experiment, report.title, tags) as run:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        from app.evals.retrieval.figures import abstention_figure, recall_figure

        run.log_numbers(report.metrics(), {**params, **report.facts})
        described = Dataset(
            name=questions.path.stem,
            digest=questions.sha256[:16],  # MLflow keeps 36 characters; the whole digest is a param
            source_type="local",
            source=json.dumps({"uri": str(questions.path)}),
        )
        run.client.log_inputs(run.id, [DatasetInput(described, [InputTag(CONTEXT_TAG, "evaluation")])])
        run.client.log_artifact(run.id, str(questions.path), "dataset")
        run.client.log_table(run.id, outcome_table(report), "outcomes.json")
        run.client.log_figure(run.id, recall_figure(report), "plots/recall.png")
        run.client.log_figure(run.id, abstention_figure(report), "plots/abstention.png")
    return run.link


def save_outcomes(report: RetrievalReport, path: Path) -> None:
    """The same table and numbers as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"metrics": report.metrics(), "outcomes": outcome_table(report)}))


def outcome_table(report: RetrievalReport) -> dict[str, list[Any]]:
    """Column name -> one value for each question and system."""
    rows = [
        {
            "system": system.name,
            "id": outcome.question.id,
            "kind": outcome.question.kind,
            "query": outcome.question.query,
            "gold": [gold.document for gold in outcome.question.gold],
            "ranks": list(outcome.ranks),
            **{name: score(outcome.ranks) if outcome.ranks else None for name, score in SCORES.items()},
            "confidence": outcome.confidence,
            "relevant": outcome.relevant,
            "ms": round(outcome.seconds * 1000, 3),
        }
        for system in report.systems
        for outcome in system.outcomes
    ]
    return {column: [row[column] for row in rows] for column in rows[0]} if rows else {}
