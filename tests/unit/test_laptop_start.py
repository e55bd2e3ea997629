"""What `make serve` does when a part of the stack is late or fails: real processes, with stand-ins for the commands."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from deployments import laptop as laptops
from deployments import waiting
from deployments.laptop import Laptop, Stop, prepare
from deployments.plan import LAPTOP, _any_free
from deployments.processes import Child
from deployments.waiting import StartFailed

LISTENS = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{{"dependencies": {{}}}}')
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", {port}), Handler).serve_forever()
"""
FAILS = "print('out of order'); raise SystemExit(1)"
SLEEPS = "import time; print('7/1000 documents', flush=True); time.sleep({seconds})"


class StandIns(Laptop):
    """A stack whose processes run the given programs instead."""

    def __init__(self, home: Path, **programs: str) -> None:
        plan = prepare(home, _any_free(), None, LAPTOP, usual_ports=False)
        super().__init__(plan, (home / "handbook",))
        ports = plan.ports
        self.home = home
        self.commands: dict[str, list[str]] = {}
        self._programs = {
            "ray": LISTENS.format(port=ports.dashboard),
            "mlflow": LISTENS.format(port=ports.mlflow),
            "serve": LISTENS.format(port=ports.http),
            "prompts": "",
            "ingest": "",
            **programs,
        }

    def _run(
        self,
        name: str,
        command: list[str],
        changes: Mapping[str, str | None] = {},
        *,
        essential: bool = False,
    ) -> Child:
        self.commands[name] = command
        return super()._run(name, [sys.executable, "-c", self._programs[name]], changes, essential=essential)

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.home / "run" / "stack.json").read_text())
        return facts

    def end(self, *names: str) -> None:
        for child in self.supervisor.children:
            if not names or child.name in names:
                child.process.kill()
                child.process.wait()


@pytest.fixture
def started() -> Iterator[list[StandIns]]:
    """Those in it are ended after the test."""
    stacks: list[StandIns] = []
    yield stacks
    for stack in stacks:
        stack.end()


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_documents_that_take_long_are_ingested_beside_the_running_stack(
    tmp_path: Path, started: list[StandIns], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(laptops, "GRACE_S", 0.1)
    monkeypatch.setattr(waiting, "START_TIMEOUT_S", 3)  # for what is required; the ingestion takes longer
    stack = StandIns(tmp_path, ingest=SLEEPS.format(seconds=4))
    started.append(stack)
    stack.start()
    assert stack.facts["knowledge_base"] == "ingesting"
    told = shown(capsys)
    assert "Sextant is ready" in told
    assert "still being ingested" in told
    watch_until_ingested(stack)
    assert stack.facts["knowledge_base"] == "ready"
    assert "✓ knowledge base" in shown(capsys)


def watch_until_ingested(stack: StandIns) -> None:
    """What follows the start, up to the first look at the processes after the ingestion's end."""

    def look() -> None:
        raise Stop

    stack._check = look  # type: ignore[method-assign]  # what is asked is counted
    with pytest.raises(Stop):
        stack.watch()


def test_a_failed_ingestion_is_a_warning_that_says_what_to_do(
    tmp_path: Path, started: list[StandIns], capsys: pytest.CaptureFixture[str]
) -> None:
    stack = StandIns(tmp_path, ingest=FAILS)
    started.append(stack)
    stack.start()
    told = shown(capsys)
    assert "out of order" in told
    assert f"SEXTANT_HOME={tmp_path} make ingest DOCS='{tmp_path}/handbook'" in told
    assert "Sextant is ready" in told
    assert stack.facts["knowledge_base"] == "failed"


def test_an_ingestion_that_fails_later_does_not_end_the_stack(
    tmp_path: Path, started: list[StandIns], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(laptops, "GRACE_S", 0)
    stack = StandIns(tmp_path, ingest=f"import time; time.sleep(2); {FAILS}")
    started.append(stack)
    stack.start()
    watch_until_ingested(stack)
    assert stack.facts["knowledge_base"] == "failed"
    assert "make ingest" in shown(capsys)


def test_the_stack_starts_without_mlflow(
    tmp_path: Path, started: list[StandIns], capsys: pytest.CaptureFixture[str]
) -> None:
    stack = StandIns(tmp_path, mlflow=FAILS)
    started.append(stack)
    stack.start()
    told = shown(capsys)
    assert "! MLflow: mlflow ended by itself" in told
    assert "out of order" in told
    assert "Sextant is ready" in told
    assert "prompts" not in stack.commands  # to whom?


def test_the_stack_starts_when_the_registry_takes_no_prompts(
    tmp_path: Path, started: list[StandIns], capsys: pytest.CaptureFixture[str]
) -> None:
    stack = StandIns(tmp_path, prompts=FAILS)
    started.append(stack)
    stack.start()
    told = shown(capsys)
    assert "! prompts: prompts ended by itself" in told
    assert "Sextant is ready" in told


def test_mlflow_starts_behind_the_migration_of_its_database(tmp_path: Path, started: list[StandIns]) -> None:
    stack = StandIns(tmp_path)
    started.append(stack)
    stack.start()
    command = stack.commands["mlflow"]
    assert command[command.index("deployments.mlflow_database") + 1 :][1:4] == ["-m", "mlflow", "server"]


def test_mlflows_end_is_told_once(tmp_path: Path, started: list[StandIns], capsys: pytest.CaptureFixture[str]) -> None:
    stack = StandIns(tmp_path)
    started.append(stack)
    stack.start()
    stack.end("mlflow")
    for _ in range(3):
        stack._check()
    assert shown(capsys).count("MLflow has ended") == 1


def test_what_requests_need_is_not_done_without(tmp_path: Path, started: list[StandIns]) -> None:
    stack = StandIns(tmp_path, serve=FAILS)
    started.append(stack)
    with pytest.raises(StartFailed, match=r"(?s)serve.*out of order"):
        stack.start()


def test_a_logs_last_line_is_what_was_said_last(tmp_path: Path, started: list[StandIns]) -> None:
    stack = StandIns(tmp_path)
    started.append(stack)
    child = stack.supervisor.start(
        "talks", [sys.executable, "-c", "print('x' * 10_000); print('last\\n')"], {}, essential=False
    )
    child.process.wait()
    assert child.last_line() == "last"
    silent = stack.supervisor.start("silent", [sys.executable, "-c", ""], {}, essential=False)
    assert silent.last_line() == ""
