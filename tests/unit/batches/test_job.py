"""`python -m jobs.run_batch`, as Ray starts it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.accounts.tokens import BatchTokens
from app.config import ensure_secrets
from app.config.files import PROJECT
from deployments.batches import write_config
from tests.unit.batches.desk import Desk, GatewayDouble, lines_of
from tests.unit.bench import stack_config
from tests.unit.server import listening


def run_job(config: Path, batch_id: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jobs.run_batch", "--batch", batch_id, "--config", str(config)]
    return subprocess.run(
        command, cwd=PROJECT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.fixture
def elsewhere(tmp_path: Path) -> dict[str, str]:
    """An environment with another home, and a proxy that must not be asked."""
    return {
        "SEXTANT_HOME": str(tmp_path / "other"),
        "HTTP_PROXY": "http://127.0.0.1:1",
        "ALL_PROXY": "http://127.0.0.1:1",
    }


async def test_a_job_runs_its_batch_in_the_name_of_the_batchs_key(desk: Desk, elsewhere: dict[str, str]) -> None:
    secrets = ensure_secrets(desk.home)
    batch = await desk.begin(lines_of(10), "sk-two")
    double = GatewayDouble()
    with listening(double.app) as url:
        config = write_config(stack_config(desk.home, batches={"gateway_url": f"{url}/v1", "concurrency": 2}))
        done = run_job(config, batch.id, elsewhere)
    assert done.returncode == 0, done.stderr
    ended = await desk.read(batch)
    assert (ended.status, ended.completed) == ("completed", 10)
    assert f"{batch.id}: completed; 10 answered, 0 failed, of 10" in done.stdout
    grants = {BatchTokens(secrets).read(headers["authorization"].removeprefix("Bearer ")) for headers in double.headers}
    assert [(grant.key_id, grant.tenant, grant.batch) for grant in grants if grant] == [("key-2", "acme", batch.id)]


async def test_a_job_that_cannot_run_says_why_in_a_sentence(desk: Desk, elsewhere: dict[str, str]) -> None:
    config = write_config(stack_config(desk.home))
    no_secrets = run_job(config, "batch_none", elsewhere)
    ensure_secrets(desk.home)
    no_batch = run_job(config, "batch_none", elsewhere)
    for done, sentence in ((no_secrets, "SEXTANT_API_KEY"), (no_batch, "There is no batch 'batch_none'.")):
        assert done.returncode == 1
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
