"""What those who run the stack see: readiness, console, traces, prompts, evals, and a clean end."""

import re
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest

from tests.e2e.conftest import Stack, start_stack


def mlflow(stack: Stack) -> httpx.Client:
    return httpx.Client(base_url=stack.facts["mlflow_url"], timeout=30)


def experiment(stack: Stack, name: str) -> str | None:
    """Its id; None until something is recorded in it."""
    with mlflow(stack) as http:
        found = http.get("/api/2.0/mlflow/experiments/get-by-name", params={"experiment_name": name})
        return str(found.json()["experiment"]["experiment_id"]) if found.status_code == httpx.codes.OK else None


def test_readiness_names_every_dependency(stack: Stack) -> None:
    body = httpx.get(f"{stack.url}/readyz", timeout=10).json()
    assert body["status"] == "ready"
    assert set(body["dependencies"]) == {
        "guard",
        "embedder",
        "knowledge base",
        "model smollm2-135m",
        "cache store",
        "accounts",
        "ledger",
        "mlflow",
    }
    assert all(state["state"] == "up" for state in body["dependencies"].values())


def test_the_console_is_served(stack: Stack) -> None:
    page = httpx.get(f"{stack.url}/", follow_redirects=True, timeout=10)
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for name in re.findall(r'(?:href|src)="([\w-]+\.(?:css|js))"', page.text):
        assert httpx.get(f"{stack.url}/console/{name}", timeout=10).status_code == 200


def traces(stack: Stack) -> list[dict[str, Any]]:
    known = experiment(stack, "sextant")
    if known is None:
        return []
    with mlflow(stack) as http:
        location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": known}}
        found = http.post("/api/3.0/mlflow/traces/search", json={"locations": [location], "max_results": 100})
        found.raise_for_status()
        return list(found.json().get("traces", ()))


def test_a_request_becomes_a_trace_without_its_text(stack: Stack, client: openai.OpenAI) -> None:
    secret_word = "xylophonist"
    client.chat.completions.create(
        model="docs",
        messages=[{"role": "user", "content": f"What does the guard mask, {secret_word}?"}],
        max_tokens=8,
        extra_headers={"x-request-id": "trace-me-1"},
    )
    deadline = time.monotonic() + 20
    while not (mine := [t for t in traces(stack) if "trace-me-1" in str(t)]):
        assert time.monotonic() < deadline, "no trace after 20 s"
        time.sleep(0.25)
    with mlflow(stack) as http:
        trace = http.get("/api/3.0/mlflow/traces/get", params={"trace_id": mine[0]["trace_id"]})
        text = trace.text
    names = {span["name"] for span in trace.json()["trace"]["spans"]}
    assert {"chat docs", "guard", "embed", "retrieve", "generate"} <= names
    assert "gen_ai.usage.input_tokens" in text
    assert secret_word not in text


def test_no_user_text_is_in_any_log(stack: Stack, client: openai.OpenAI) -> None:
    word = "quizzaciously"
    client.chat.completions.create(
        model="docs", messages=[{"role": "user", "content": f"What does {word} mean?"}], max_tokens=4
    )
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(
            model="chat", messages=[{"role": "user", "content": f"{word}, " + "word " * 3000}]
        )
    folders = [stack.home / "logs", Path(stack.facts["ray_directory"])]
    logs = [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in {".log", ".out", ".err"}
    ]
    assert len(logs) > 10
    assert [str(path) for path in logs if word in path.read_text(errors="replace")] == []


def test_prompts_are_in_the_registry_and_the_alias_is_followed(stack: Stack) -> None:
    with mlflow(stack) as http:
        found = http.get(
            "/api/2.0/mlflow/registered-models/alias", params={"name": "answer-briefly", "alias": "production"}
        )
    assert found.status_code == 200
    assert "{{question}}" in found.text


def test_the_eval_job_logs_recall_latency_tokens_and_answers(stack: Stack) -> None:
    done = stack.job("jobs.evaluate", "--limit", "8", "--min-recall", "0.5")
    assert done.returncode == 0, done.stdout + done.stderr
    with mlflow(stack) as http:
        runs = http.post(
            "/api/2.0/mlflow/runs/search", json={"experiment_ids": [experiment(stack, "sextant-evals")]}
        ).json()["runs"]
    metrics = {metric["key"]: metric["value"] for metric in runs[0]["data"]["metrics"]}
    assert metrics["recall_at_5"] >= 0.5
    assert metrics["latency_p50_s"] > 0
    assert metrics["completion_tokens"] > 0
    assert metrics["errors"] == 0


def test_a_second_stack_on_the_same_home_is_refused(stack: Stack) -> None:
    second = subprocess.run(
        [*stack.process.args, "--port", "1"],  # type: ignore[misc]
        env=stack.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert "another stack runs on" in second.stdout


def test_sigterm_ends_every_process_and_a_restart_keeps_what_was_stored(tmp_path: Path) -> None:
    home = tmp_path / "home"
    stack = start_stack(home)
    question: Any = {"model": "docs", "messages": [{"role": "user", "content": "What does the guard mask?"}]}
    with stack.http() as http:
        assert http.post("/v1/chat/completions", json={**question, "max_tokens": 4}).status_code == 200
    below = psutil.Process(stack.process.pid).children(recursive=True)
    assert len(below) > 10
    stack.process.terminate()
    assert stack.process.wait(timeout=60) == 0
    _, alive = psutil.wait_procs(below, timeout=5)
    assert alive == []
    again = start_stack(home)
    try:
        log = (home / "logs" / "ingest.log").read_text()
        assert "unchanged" in log
        with again.http() as http:
            answer = http.post("/v1/chat/completions", json={**question, "max_tokens": 4}).json()
        assert answer["sextant"]["citations"][0]["document"] in ("docs/guard.md", "docs/guard-pii.md")
    finally:
        again.process.terminate()
        again.process.wait(timeout=60)
