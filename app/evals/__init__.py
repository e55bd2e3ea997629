"""Evals: `Task(dataset, solver, scorers)`, run against a stack and summed up in a report.

The shape is inspect_ai's. The parts that load heavy libraries are imported by their own names:
`solver` and `stack` (openai), `plots` (matplotlib), `record` (mlflow).
"""

from app.evals.answer import Answer, Citation
from app.evals.dataset import Dataset, Sample, load_dataset
from app.evals.errors import DatasetError, EvalError, StackError, TrackingError
from app.evals.report import Mean, Percentiles, Report, aggregate
from app.evals.scorers import Scorer, answer_contains, cited, mrr, recall_at_k, standard_scorers
from app.evals.task import Evaluation, Graded, Solver, Task, run_task

__all__ = [
    "Answer",
    "Citation",
    "Dataset",
    "DatasetError",
    "EvalError",
    "Evaluation",
    "Graded",
    "Mean",
    "Percentiles",
    "Report",
    "Sample",
    "Scorer",
    "Solver",
    "StackError",
    "Task",
    "TrackingError",
    "aggregate",
    "answer_contains",
    "cited",
    "load_dataset",
    "mrr",
    "recall_at_k",
    "run_task",
    "standard_scorers",
]
