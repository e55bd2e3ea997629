"""Ray's own client against a server that speaks the job API of Ray's dashboard."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.batches.runner import JobState
from app.config.files import load_stack
from app.errors import Unavailable
from deployments.batches import RayJobs
from tests.unit.bench import stack_config
from tests.unit.server import listening


class Dashboard:
    """The part of the API that is used. `broken`: answers with 500; `locked`: with 401."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.broken = False
        self.locked = False
        self.app = FastAPI()
        self.app.get("/api/version")(self._version)
        self.app.get("/api/jobs/")(self._list)
        self.app.post("/api/jobs/")(self._submit)

    async def _version(self) -> Response:
        if self.locked:
            return PlainTextResponse("no token", 401)
        return JSONResponse({"version": "4", "ray_version": ray.__version__, "ray_commit": "x"})

    async def _list(self) -> Response:
        return PlainTextResponse("no", 500) if self.broken else JSONResponse(list(self.jobs.values()))

    async def _submit(self, request: Request) -> Response:
        body = await request.json()
        name = body["submission_id"]
        if self.broken or name in self.jobs:
            return PlainTextResponse(
                f"ValueError: Job with submission_id {name} already exists." * (not self.broken), 500
            )
        self.jobs[name] = {"type": "SUBMISSION", "submission_id": name, "status": "PENDING", **body}
        return JSONResponse({"job_id": name, "submission_id": name})


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names another cluster, as Serve's processes may have it. Ray's client believes it."""
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")


@pytest.fixture
def dashboard() -> Dashboard:
    return Dashboard()


@pytest.fixture
def jobs(tmp_path: Path, dashboard: Dashboard) -> Iterator[RayJobs]:
    with listening(dashboard.app) as url:
        yield RayJobs(stack_config(tmp_path, batches={"ray_url": url}, accounts={"url": "postgresql://u:pw@h/d"}))


def test_a_job_is_submitted_once_and_its_state_read(jobs: RayJobs, dashboard: Dashboard, tmp_path: Path) -> None:
    jobs.submit("batch_1-1", "batch_1")
    jobs.submit("batch_1-1", "batch_1")  # another ingress process, a little later
    assert list(dashboard.jobs) == ["batch_1-1"]
    command = shlex.split(dashboard.jobs["batch_1-1"]["entrypoint"])
    assert command[1:5] == ["-m", "jobs.run_batch", "--batch", "batch_1"]
    assert dashboard.jobs["batch_1-1"]["entrypoint_num_cpus"] == 0.1
    assert jobs.states() == {"batch_1-1": JobState(None)}
    for status, ended_ms in (("RUNNING", None), ("FAILED", 5), ("STOPPED", 6), ("SUCCEEDED", 7)):
        dashboard.jobs["batch_1-1"] |= {"status": status, "end_time": ended_ms}
        assert jobs.states() == {"batch_1-1": JobState(ended_ms)}


def test_the_job_gets_the_configuration_from_a_file_that_nobody_else_reads(jobs: RayJobs, dashboard: Dashboard) -> None:
    """A command line is visible to everybody on the machine, and the job may run where SEXTANT_HOME is another."""
    jobs.submit("batch_1-1", "batch_1")
    entrypoint = dashboard.jobs["batch_1-1"]["entrypoint"]
    assert "pw" not in str(dashboard.jobs)
    path = Path(shlex.split(entrypoint)[-1])
    assert path.stat().st_mode & 0o777 == 0o600
    stack = load_stack(path)
    assert stack.accounts.url == "postgresql://u:pw@h/d"
    assert path.is_relative_to(stack.home)


def test_a_cluster_that_fails_is_unavailable_and_asked_again(jobs: RayJobs, dashboard: Dashboard) -> None:
    dashboard.broken = True
    with pytest.raises(Unavailable):
        jobs.states()
    with pytest.raises(Unavailable):
        jobs.submit("batch_1-1", "batch_1")
    dashboard.broken = False
    jobs.submit("batch_1-1", "batch_1")
    assert list(jobs.states()) == ["batch_1-1"]


def test_nobody_at_the_address_is_unavailable(tmp_path: Path) -> None:
    jobs = RayJobs(stack_config(tmp_path, batches={"ray_url": "http://127.0.0.1:1"}))
    with pytest.raises(Unavailable):
        jobs.states()


def test_jobs_go_to_the_cluster_of_this_process_and_not_where_the_consoles_link_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two clusters on a machine, Ray's own search would find neither."""
    asked: list[str | None] = []

    class Client:
        def __init__(self, address: str | None) -> None:
            asked.append(address)

        def list_jobs(self) -> list[Any]:
            return []

    monkeypatch.setattr("ray.job_submission.JobSubmissionClient", Client)
    monkeypatch.setattr("ray.is_initialized", lambda: True)
    monkeypatch.setattr("ray.get_runtime_context", lambda: SimpleNamespace(gcs_address="10.0.0.1:6379"))
    link = {"dashboard_url": "http://elsewhere.example:8265"}

    RayJobs(stack_config(tmp_path, observability=link)).states()
    RayJobs(stack_config(tmp_path, observability=link, batches={"ray_url": "http://other:8265"})).states()

    assert asked == ["10.0.0.1:6379", "http://other:8265"]


def test_a_cluster_that_refuses_the_token_is_unavailable(jobs: RayJobs, dashboard: Dashboard) -> None:
    dashboard.locked = True
    with pytest.raises(Unavailable):
        jobs.states()
    with pytest.raises(Unavailable):
        jobs.submit("batch_1-1", "batch_1")
