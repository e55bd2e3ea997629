"""The job, from the command line to a real MLflow store, with a corpus of three documents."""

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from app.evals.retrieval.corpus import Document
from app.evals.retrieval.vectors import VectorCache
from jobs import evaluate_retrieval
from jobs.evaluate_retrieval import app

DOCUMENTS = [
    Document("tea.md", b"# Tea\n\nGreen tea is brewed at eighty degrees for two minutes."),
    Document("coffee.md", b"# Coffee\n\nEspresso is pressed at nine bar for half a minute."),
    Document("bread.md", b"# Bread\n\nSourdough rises overnight before it is baked."),
]
CONFIG = """
applications:
  - args:
      home: {home}
      models: [{{id: chat, source: models/chat}}]
"""


def row(at: int, query: str, split: str, *gold: tuple[str, str]) -> dict[str, Any]:
    kind = "keyword" if gold else "unanswerable"
    passages = [{"document": document, "quote": quote} for document, quote in gold]
    return {"id": f"q{at}", "query": query, "kind": kind, "split": split, "answerable": bool(gold), "gold": passages}


ROWS = [
    row(1, "espresso pressed", "train", ("coffee.md", "pressed at nine bar")),
    row(2, "quantum gravity", "train"),
    row(3, "sourdough rises", "test", ("bread.md", "rises overnight before")),
    row(4, "tea of yesterday", "test", ("tea.md", "a sentence that has been rewritten")),
    row(5, "string theory", "test"),
]


class WordEmbedder:
    dimensions = 64
    max_tokens = 256

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.full((len(texts), self.dimensions), 1e-3, dtype=np.float32)
        for vector, text in zip(rows, texts, strict=True):
            for word in text.lower().split():
                vector[hashlib.blake2b(word.encode(), digest_size=1).digest()[0] % self.dimensions] += 1
            vector /= float(np.linalg.norm(vector))
        return rows

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


class Job:
    def __init__(self, folder: Path) -> None:
        self.mlflow_url = f"sqlite:///{folder / 'mlflow.db'}"
        self.config = folder / "serve.yaml"
        self.config.write_text(CONFIG.format(home=folder))
        self.dataset = folder / "questions.jsonl"
        self.dataset.write_text("\n".join(map(json.dumps, ROWS)))

    def run(self, *arguments: str) -> Result:
        given = ["--config", str(self.config), "--baselines"]
        return self.ask(*given, *arguments)

    def ask(self, *arguments: str) -> Result:
        given = ["--dataset", str(self.dataset), "--mlflow-url", self.mlflow_url]
        return CliRunner().invoke(app, [*given, *arguments], env={"COLUMNS": "200"})

    def params(self) -> dict[str, str]:
        client = MlflowClient(self.mlflow_url)
        experiment = client.get_experiment_by_name("sextant-retrieval")
        assert experiment is not None
        (run,) = client.search_runs([experiment.experiment_id])
        return dict(run.data.params)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setenv("SEXTANT_SECRET", "x")
    monkeypatch.chdir(tmp_path)  # MLflow puts the artifacts of a SQLite store into the working directory
    monkeypatch.setattr(evaluate_retrieval, "documents", lambda: DOCUMENTS)
    monkeypatch.setattr(evaluate_retrieval, "open_embedder", lambda _: WordEmbedder())
    monkeypatch.setattr(VectorCache, "open", lambda _: VectorCache(tmp_path / "vectors.sqlite", "words"))
    return Job(tmp_path)


def test_a_run_prints_and_records_every_system(job: Job, tmp_path: Path) -> None:
    result = job.run("--split", "test", "--out", str(tmp_path / "out.json"))

    assert result.exit_code == 0, result.output
    assert "left out: q4, not in tea.md: a sentence that has been rewritten" in result.stdout
    assert "plain RRF" in result.stdout
    client = MlflowClient(job.mlflow_url)
    experiment = client.get_experiment_by_name("sextant-retrieval")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["bm25.recall_at_1"] == 1
    assert run.data.metrics["bm25.abstention_f1"] == 1  # by the threshold of the training half
    assert (run.data.params["split"], run.data.params["chunks"]) == ("test", "3")
    assert set(run.data.params) >= {"corpus", "distractors", "embedder", "config_digest", "documents"}
    paths = {file.path for folder in (None, "plots") for file in client.list_artifacts(run.info.run_id, folder)}
    assert {"outcomes.json", "plots/recall.png", "plots/abstention.png"} <= paths
    saved = json.loads((tmp_path / "out.json").read_text())
    assert saved["metrics"]["bm25.recall_at_1"] == 1
    assert saved["outcomes"]["id"] == ["q3", "q5"] * 3


class Searches(BaseHTTPRequestHandler):
    """A running stack that finds nothing."""

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps({"data": [], "relevant": False}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def running(job: Job, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("SEXTANT_API_KEY", "sk-right")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Searches)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


OF_THE_CONFIGURATION = {"embedder", "config_digest"}


def test_of_a_running_stack_nothing_is_recorded_that_is_known_of_this_one_alone(
    job: Job, running: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEXTANT_HOME", str(tmp_path))
    (tmp_path / "run").mkdir()
    job.config.rename(tmp_path / "run" / "serve.yaml")

    result = job.ask("--url", running)

    assert result.exit_code == 0, result.output
    assert set(job.params()) <= {"split", "dataset", "dataset_sha256", "git_commit", "url"}
    assert job.params()["url"] == running


def test_of_the_stack_that_the_configuration_is_of_that_is_recorded(job: Job, running: str) -> None:
    result = job.ask("--url", running, "--config", str(job.config))

    assert result.exit_code == 0, result.output
    assert set(job.params()) >= OF_THE_CONFIGURATION
    assert not set(job.params()) & {"corpus", "distractors", "documents", "unreadable", "chunks"}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("--baselines",), "--baselines"),
        (("--rerank", "models/reranker"), "--rerank"),
        (("--distractors", "5"), "--distractors"),
        (("--baselines", "--rerank", "models/reranker"), "--rerank, --baselines"),
    ],
)
def test_what_a_running_stack_would_not_heed_is_refused(
    job: Job, running: str, given: tuple[str, ...], named: str
) -> None:
    result = job.ask("--url", running, "--config", str(job.config), "--no-record", *given)

    assert result.exit_code == 2
    assert f"{named} would change nothing" in result.stderr


def test_the_gate_fails_a_run_whose_recall_is_too_low(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    sourdough = [Document(f"bread-{at}.md", b"Sourdough rises overnight.") for at in range(12)]
    monkeypatch.setattr(evaluate_retrieval, "documents", lambda: [*DOCUMENTS, *sourdough])
    job.dataset.write_text(json.dumps(row(9, "sourdough rises", "train", ("tea.md", "brewed at eighty degrees"))))

    assert job.run("--no-record", "--min-recall", "0").exit_code == 0
    result = job.run("--no-record", "--min-recall", "0.5")
    assert result.exit_code == 1
    assert "gate: recall@5 is 0.000" in result.stdout


def test_the_test_halfs_errors_are_not_shown(job: Job) -> None:
    result = job.run("--split", "test", "--show", "--no-record")

    assert result.exit_code == 2
    assert "has tuned on it" in result.stderr


def test_a_half_without_questions_is_told(job: Job) -> None:
    job.dataset.write_text(json.dumps(ROWS[0]))

    result = job.run("--split", "test", "--no-record")

    assert result.exit_code == 2
    assert "no question of the test half" in result.stderr


def test_the_corpus_is_written_and_nothing_is_asked(job: Job, tmp_path: Path) -> None:
    result = job.run("--write-corpus", str(tmp_path / "corpus"))

    assert result.exit_code == 0, result.output
    assert (tmp_path / "corpus" / "tea.md").is_file()
