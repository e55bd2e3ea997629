"""The job, from the command line through a stack's wire format to the classifier's file and a real MLflow store."""

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from app.routing.tiers import TierClassifier
from jobs import train_router

EASY = ("capital", "colour")
CONFIG = """
applications:
  - args:
      home: {home}
      models: [{{id: small-1, source: models/s}}, {{id: large-1, source: models/l}}]
      aliases: {{auto: {{policy: cost-tiered, tiers: {{small: small-1, large: large-1, target_quality: 0.9}}}}}}
"""


@dataclass
class Stack:
    """The small model is right about easy prompts, the large one about all. Counts what it is asked."""

    base_url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)  # model, question
    broken: set[str] = field(default_factory=set)  # questions that fail


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stack: Stack

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        models = [{"id": name, "object": "model", "created": 1, "owned_by": "x"} for name in ("small-1", "large-1")]
        self.reply(200, "application/json", json.dumps({"object": "list", "data": models}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        model, question = body["model"], body["messages"][0]["content"]
        self.stack.asked.append((model, question))
        if question in self.stack.broken:
            error = {"message": "Full.", "type": "server_error", "param": None, "code": "unavailable"}
            self.reply(503, "application/json", json.dumps({"error": error}))
            return
        right = model == "large-1" or any(word in question for word in EASY)
        base = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": model}
        text = {"index": 0, "delta": {"content": "blue" if right else "red"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
        events = ({**base, "choices": [text]}, {**base, "choices": [], "usage": usage})
        lines = [f"data: {json.dumps(event)}\n\n" for event in events]
        self.reply(200, "text/event-stream", "".join(lines) + "data: [DONE]\n\n")

    def reply(self, status: int, kind: str, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class WordEmbedder:
    """One dimension a word of the vocabulary: stands in for a 90 MB model."""

    words = ("capital", "colour", "sum", "riddle", "what", "name")

    def __init__(self, directory: Path, threads: int) -> None:
        self.directory = directory

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[word in text for word in self.words] for text in texts], dtype=np.float32)


@dataclass
class Job:
    folder: Path
    stack: Stack

    def run(self, *arguments: str) -> Result:
        given = {
            "dataset": "prompts.jsonl",
            "config": "serve.yaml",
            "base-url": self.stack.base_url,
            "mlflow-url": f"sqlite:///{self.folder / 'mlflow.db'}",
        }
        options = [part for name, value in given.items() for part in (f"--{name}", value)]
        return CliRunner().invoke(train_router.app, [*options, *arguments], env={"COLUMNS": "200"})

    @property
    def classifier(self) -> Path:
        return self.folder / "router" / "tiers.npz"


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    monkeypatch.setattr("app.retrieval.embedder.Embedder", WordEmbedder)
    for name, value in (("API_KEY", "sk-right"), ("ADMIN_KEY", "sk-admin"), ("SECRET", "x")):
        monkeypatch.setenv(f"SEXTANT_{name}", value)
    monkeypatch.chdir(tmp_path)  # MLflow puts the artifacts of a SQLite store into the working directory
    (tmp_path / "serve.yaml").write_text(CONFIG.format(home=tmp_path))
    prompts = [
        {"id": f"q{n}", "question": f"what {kind} is number {n}?", "answers": ["blue"], "tags": [kind, "phrase"]}
        for n, kind in enumerate(("capital", "colour", "sum", "riddle") * 20)
    ]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))

    class StackHandler(Handler):
        """With a record of its own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), StackHandler)
    StackHandler.stack = Stack(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield Job(tmp_path, StackHandler.stack)
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_asks_both_models_trains_reports_and_records(job: Job) -> None:
    done = job.run()
    assert done.exit_code == 0, done.output
    assert len(job.stack.asked) == 160
    assert "Better than the shuffled control" in done.output

    classifier = TierClassifier.load(job.classifier)
    classifier.check("all-minilm-l6-v2", "small-1", "large-1")
    threshold = classifier.threshold_for(0.9)
    easy, hard = WordEmbedder(job.folder, 1).embed(["what capital is it?", "what sum is it?"])
    assert classifier.probability(easy) >= threshold > classifier.probability(hard)
    assert classifier.provenance["prompts"] > 0

    client = MlflowClient(f"sqlite:///{job.folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("sextant-router")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["target_quality"] == "0.9"
    assert run.data.metrics["tiered_kept"] == 1
    assert run.data.metrics["tiered_saved"] > 0.3
    assert run.data.metrics["shuffled_control_kept"] < 1
    kept = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert kept == {"classifier", "curve.json", "dataset", "plots", "routing.json"}
    assert {a.path for a in client.list_artifacts(run.info.run_id, "plots")} == {
        "plots/curve.png",
        "plots/calibration.png",
    }


def test_with_all_grades_there_no_stack_is_needed(job: Job) -> None:
    assert job.run("--no-record").exit_code == 0
    first = job.classifier.read_bytes()
    job.stack.asked.clear()
    again = job.run("--no-record", "--base-url", "http://127.0.0.1:9/v1")
    assert again.exit_code == 0, again.output
    assert job.stack.asked == []
    assert job.classifier.read_bytes() == first


def recorded(job: Job) -> dict[str, str]:
    client = MlflowClient(f"sqlite:///{job.folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("sextant-router")
    assert experiment is not None
    run, *_ = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])
    return {**run.data.params, "small_quality": f"{run.data.metrics['always_small_quality']:.3f}"}


def test_the_longest_answer_that_is_recorded_is_what_was_asked_for(job: Job) -> None:
    assert job.run("--no-record", "--max-tokens", "64").exit_code == 0
    again = job.run("--max-tokens", "512")
    assert again.exit_code == 0, again.output
    assert len(job.stack.asked) == 160, "all had been asked"
    assert recorded(job)["max_tokens"] == "64"
    assert TierClassifier.load(job.classifier).provenance["max_tokens"] == 64


def test_a_corrected_key_is_graded_by_and_nothing_is_asked(job: Job) -> None:
    assert job.run().exit_code == 0
    before = recorded(job)
    lines = [json.loads(line) for line in (job.folder / "prompts.jsonl").read_text().splitlines()]
    for line in lines[2::8]:  # of every other sum: what the small model said is right as well
        line["answers"].append("red")
    (job.folder / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    job.stack.asked.clear()

    done = job.run()

    assert done.exit_code == 0, done.output
    assert job.stack.asked == []
    after = recorded(job)
    assert after["dataset_sha256"] != before["dataset_sha256"]
    assert float(after["small_quality"]) > float(before["small_quality"])


def test_prompts_of_one_category_are_refused_before_anything_is_asked(job: Job) -> None:
    lines = [json.loads(line) for line in (job.folder / "prompts.jsonl").read_text().splitlines()]
    alike = [line | {"tags": ["riddle", "phrase"]} for line in lines]
    (job.folder / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in alike))

    done = job.run("--no-record")

    assert done.exit_code == 2
    assert "are of the category 'riddle'" in done.output
    assert "at least two" in done.output
    assert job.stack.asked == []


def test_a_category_without_which_nothing_can_be_trained_is_named(job: Job) -> None:
    lines = [json.loads(line) for line in (job.folder / "prompts.jsonl").read_text().splitlines()]
    tags = {"capital": "easy", "colour": "easy", "sum": "hard", "riddle": "hard"}
    halved = [line | {"tags": [tags[line["tags"][0]], "phrase"]} for line in lines]
    (job.folder / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in halved))

    done = job.run("--no-record")

    assert done.exit_code == 2
    assert "without the category 'easy' the small model suffices for 0 of 40" in done.output


def test_where_every_request_fails_it_says_so(job: Job) -> None:
    lines = [json.loads(line) for line in (job.folder / "prompts.jsonl").read_text().splitlines()]
    job.stack.broken |= {line["question"] for line in lines}

    done = job.run("--no-record")

    assert done.exit_code == 2, done.output
    assert "no prompt has been answered by both models" in done.output


def test_what_failed_is_left_out_told_and_asked_again(job: Job) -> None:
    job.stack.broken.add("what sum is number 2?")
    first = job.run("--no-record")
    assert first.exit_code == 0, first.output
    assert "large-1: 1 requests failed" in first.output
    job.stack.broken.clear()
    job.stack.asked.clear()
    assert job.run("--no-record").exit_code == 0
    assert sorted(job.stack.asked) == [("large-1", "what sum is number 2?"), ("small-1", "what sum is number 2?")]


def test_models_that_the_stack_has_not_are_named(job: Job) -> None:
    done = job.run("--no-record", "--small", "tiny")
    assert done.exit_code == 2
    assert "no model 'tiny'" in done.output
    assert job.stack.asked == []


def test_without_a_tiered_alias_the_models_must_be_named(job: Job) -> None:
    (job.folder / "plain.yaml").write_text(CONFIG.format(home=job.folder).split("      aliases")[0])
    done = job.run("--no-record", "--config", "plain.yaml")
    assert done.exit_code == 2
    assert "--small and --large" in done.output


def two_aliases(job: Job) -> str:
    path = job.folder / "two.yaml"
    tiered = "{{policy: cost-tiered, tiers: {{small: small-1, large: large-1, {}}}}}"
    one, two = tiered.format("threshold: 0.5"), tiered.format("classifier: own/2.npz")
    models_only = CONFIG.format(home=job.folder).split("      aliases")[0]
    path.write_text(f"{models_only}      aliases: {{one: {one}, two: {two}}}")
    return str(path)


def test_the_classifier_is_saved_where_the_alias_has_it(job: Job) -> None:
    done = job.run("--no-record", "--config", two_aliases(job), "--alias", "two")
    assert done.exit_code == 0, done.output
    TierClassifier.load(job.folder / "own" / "2.npz").check("all-minilm-l6-v2", "small-1", "large-1")
    assert not job.classifier.exists()


def test_of_several_tiered_aliases_one_has_to_be_named(job: Job) -> None:
    for arguments, told in ((), "one, two; choose one with --alias"), (("--alias", "three"), "'three' has not"):
        done = job.run("--no-record", "--config", two_aliases(job), *arguments)
        assert done.exit_code == 2
        assert told in done.output
    assert job.stack.asked == []


def test_models_that_are_equally_good_cannot_train_a_classifier(job: Job) -> None:
    done = job.run("--no-record", "--small", "large-1")
    assert done.exit_code == 2
    assert "choose other models" in done.output
    assert not job.classifier.exists()
