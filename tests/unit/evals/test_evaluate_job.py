"""The job, from the command line to a real MLflow store."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner, Result

from jobs.evaluate import app

if TYPE_CHECKING:
    from tests.unit.evals.conftest import StackServer

QUESTIONS: list[dict[str, object]] = [
    {"id": "found", "question": "which port?", "documents": ["docs/a.md"], "answers": ["8000"]},
    {"id": "missed", "question": "which folder?", "documents": ["docs/z.md"], "answers": ["app"]},
    {"id": "outside", "question": "what weather?"},
]
CONFIG = """
applications:
  - args:
      home: {home}
      models: [{{id: chat, source: models/chat}}]
      aliases: {{docs: {{model: chat, retrieval: true}}}}
"""


class Job:
    def __init__(self, folder: Path, stack: "StackServer") -> None:
        self.folder, self.stack = folder, stack
        self.mlflow_url = f"sqlite:///{folder / 'mlflow.db'}"
        self.config = folder / "serve.yaml"
        self.config.write_text(CONFIG.format(home=folder))
        self.dataset = folder / "smoke.jsonl"
        self.ask(QUESTIONS)

    def ask(self, questions: list[dict[str, object]]) -> None:
        self.dataset.write_text("".join(json.dumps(question) + "\n" for question in questions))

    def run(self, *arguments: str, **overrides: str) -> Result:
        given = {
            "dataset": str(self.dataset),
            "config": str(self.config),
            "base-url": self.stack.base_url,
            "mlflow-url": self.mlflow_url,
        } | {name.replace("_", "-"): value for name, value in overrides.items()}
        options = [part for name, value in given.items() for part in (f"--{name}", value)]
        return CliRunner().invoke(app, [*options, *arguments], env={"COLUMNS": "200"})


@pytest.fixture
def job(tmp_path: Path, stack_server: "StackServer", monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setenv("SEXTANT_API_KEY", "sk-right")
    monkeypatch.setenv("SEXTANT_SECRET", "x")
    monkeypatch.chdir(tmp_path)  # MLflow puts the artifacts of a SQLite store into the working directory
    return Job(tmp_path, stack_server)


def test_a_run_is_recorded_whole_and_again_as_another(job: Job) -> None:
    results = [job.run(), job.run("--limit", "1")]
    assert [result.exit_code for result in results] == [0, 0], results[0].output + results[1].output
    assert "recall_at_5" in results[0].stdout

    client = MlflowClient(job.mlflow_url)
    experiment = client.get_experiment_by_name("sextant-evals")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]

    run = runs[0]
    assert run.data.params["model"] == "docs"
    assert run.data.params["concurrency"] == "2"
    assert len(run.data.params["dataset_sha256"]) == len(run.data.params["config_digest"]) == 64
    assert "limit" not in run.data.params
    assert runs[1].data.params["limit"] == "1"
    metrics = run.data.metrics
    assert metrics["samples"] == 3
    assert metrics["errors"] == 0
    assert metrics["recall_at_5"] == 0.5
    assert metrics["recall_at_5_scored"] == 2
    assert metrics["mrr"] == 0.5
    assert metrics["completion_tokens"] == 21
    assert metrics["latency_p50_s"] > metrics["ttft_p50_s"] > 0
    assert run.inputs is not None
    assert run.inputs.dataset_inputs[0].dataset.name == "smoke"
    table = client.load_table(experiment.experiment_id, "answers.json", [run.info.run_id])
    assert list(table["id"]) == ["found", "missed", "outside"]
    assert table["cited_documents"][0] == ["docs/a.md", "docs/b.md"]
    paths = {
        file.path for folder in (None, "plots", "dataset") for file in client.list_artifacts(run.info.run_id, folder)
    }
    assert paths >= {"answers.json", "plots/latency.png", "plots/outcomes.png", "dataset/smoke.jsonl"}


@pytest.mark.parametrize("launched", [None, "as asked", "elsewhere", "broken"])
def test_the_digest_of_a_configuration_is_recorded_of_the_stack_that_runs_with_it(
    job: Job, monkeypatch: pytest.MonkeyPatch, launched: str | None
) -> None:
    """What the launcher wrote says which stack the configuration in the home is of."""
    monkeypatch.setenv("SEXTANT_HOME", str(job.folder))
    run = job.folder / "run"
    run.mkdir()
    job.config.rename(run / "serve.yaml")
    facts = {"as asked": job.stack.base_url + "/", "elsewhere": "http://10.0.0.1:8000/v1"}
    if launched is not None:
        base_url = facts.get(launched)
        (run / "stack.json").write_text(json.dumps({"base_url": base_url}) if base_url else "{")

    given = ["--dataset", str(job.dataset), "--base-url", job.stack.base_url, "--mlflow-url", job.mlflow_url]
    result = CliRunner().invoke(app, given, env={"COLUMNS": "200"})

    assert result.exit_code == 0, result.output
    client = MlflowClient(job.mlflow_url)
    experiment = client.get_experiment_by_name("sextant-evals")
    assert experiment is not None
    (recorded,) = client.search_runs([experiment.experiment_id])
    assert ("config_digest" in recorded.data.params) is (launched == "as asked")
    assert recorded.data.params["base_url"] == job.stack.base_url


def test_a_gate_fails_with_exit_code_1(job: Job) -> None:
    result = job.run("--no-record", "--min-recall", "0.9")
    assert result.exit_code == 1
    assert "recall_at_5 is 0.500, below --min-recall 0.9" in result.stdout


def test_failed_requests_are_shown_and_fail_the_eval(job: Job) -> None:
    job.ask([*QUESTIONS, {"id": "broken", "question": "fails"}])
    result = job.run("--no-record")
    assert result.exit_code == 1
    assert "failed broken: 500 internal_error: A bug." in result.stdout
    assert job.run("--no-record", "--max-errors", "1").exit_code == 0


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"base_url": "http://127.0.0.1:9/v1"}, "no server answers at http://127.0.0.1:9/v1"),
        ({"mlflow_url": "http://127.0.0.1:9"}, "no MLflow server answers at http://127.0.0.1:9"),
        ({"dataset": "nowhere.jsonl"}, "nowhere.jsonl: no such file"),
        ({"config": "nowhere.yaml"}, "no configuration at nowhere.yaml"),
        ({"model": "dogs"}, "no model 'dogs'"),
    ],
)
def test_what_the_user_can_mend_is_one_sentence_and_exit_code_2(job: Job, overrides: dict[str, str], says: str) -> None:
    result = job.run(**overrides)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "Traceback" not in result.output
    assert job.stack.chats == [], "nothing is asked before everything is checked"


def test_without_an_mlflow_server_the_sentence_says_what_to_pass(job: Job) -> None:
    result = CliRunner().invoke(app, ["--config", str(job.config), "--dataset", str(job.dataset)])
    assert result.exit_code == 2
    assert "pass --mlflow-url, set observability.mlflow_url, or pass --no-record" in result.stderr


def test_answers_are_kept_when_mlflow_does_not_take_them(job: Job) -> None:
    client = MlflowClient(job.mlflow_url)
    client.delete_experiment(client.create_experiment("retired"))
    result = job.run("--experiment", "retired")
    assert result.exit_code == 2
    assert "the MLflow experiment 'retired' is deleted; restore it, or pass --experiment" in result.stderr
    (saved,) = (job.folder / "run").glob("answers-*.json")
    assert json.loads(saved.read_text())["answers"]["id"] == ["found", "missed", "outside"]


def test_a_run_that_cannot_be_written_is_marked_as_failed(job: Job) -> None:
    client = MlflowClient(job.mlflow_url)
    (job.folder / "in the way").write_text("a file where the artifacts should go")
    experiment = client.create_experiment("blocked", artifact_location=str(job.folder / "in the way"))
    result = job.run("--experiment", "blocked")
    assert result.exit_code == 2
    assert "does not take the results" in result.stderr
    assert [run.info.status for run in client.search_runs([experiment])] == ["FAILED"]
