"""Credentials for MLflow come from the environment, as its own client reads them, and are shown to nobody."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import typer
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request
from typer.testing import CliRunner

from app.config import ConfigError, PromptsConfig, StackConfig
from app.config.addresses import without_credentials
from app.evals import TrackingError
from app.evals.tracking import check_tracking
from app.gateway.api import create_api
from app.memory.traces import TraceEraser
from app.mlflow_access import authorization, mlflow_answers
from app.prompts import PromptBook
from jobs import publish_prompts
from tests.unit.bench import Bench
from tests.unit.mlflow_double import Mlflow, running_mlflow

VARIABLES = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
MODEL = {"id": "m", "source": "org/m", "device": "cpu"}
SECRET = "geheim"


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Mlflow]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))  # MLflow's client also reads ~/.mlflow/credentials
    with running_mlflow() as server:
        yield server


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {VARIABLES[0]: "ada", VARIABLES[1]: "pä:ss w"},
        {VARIABLES[0]: "ada"},
        {VARIABLES[1]: SECRET, VARIABLES[2]: "t0ken"},
        {VARIABLES[2]: "t0ken"},
        {VARIABLES[0]: "ada", VARIABLES[1]: SECRET, VARIABLES[2]: "t0ken"},
        {VARIABLES[0]: "", VARIABLES[1]: "", VARIABLES[2]: ""},
    ],
)
def test_the_header_is_the_one_that_mlflows_own_client_sends(
    mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    http_request(get_default_host_creds(mlflow.url), "/health", "GET")  # type: ignore[no-untyped-call]  # it has no types
    assert [sent for _, sent in mlflow.asked] == [authorization(environment).get("authorization")]


async def test_whoever_asks_mlflow_carries_it(mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The readiness check, the prompts, the traces that somebody wants forgotten, and the jobs' first look."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    (tmp_path / "assistant.md").write_text("You are terse.")
    book = PromptBook(PromptsConfig(directory=str(tmp_path)), {"assistant"}, mlflow.url)
    following = asyncio.create_task(book.follow())

    assert await mlflow_answers(mlflow.url, timeout_s=2)
    assert await TraceEraser(mlflow.url, "sextant").delete("sextant.tenant", "acme") == 0
    await asyncio.to_thread(check_tracking, mlflow.url)
    async with asyncio.timeout(5):
        while len(mlflow.asked) < 4:  # noqa: ASYNC110 (the server is in a thread)
            await asyncio.sleep(0.01)
    following.cancel()

    paths = sorted(path.rpartition("/")[2] for path, _ in mlflow.asked)
    assert paths == ["alias", "get-by-name", "health", "health"]
    assert {sent for _, sent in mlflow.asked} == {"Bearer t0ken"}


async def test_no_proxy_of_the_environment_leads_to_a_server_on_this_machine(
    mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")  # nobody listens there
    assert await mlflow_answers(mlflow.url, timeout_s=2)
    with pytest.raises(httpx.ConnectError):
        await mlflow_answers("http://mlflow.example:5000", timeout_s=2)


@pytest.mark.parametrize(
    "url", ["https://ada:geheim@host", "http://geheim@host/x", "ada:geheim@host", "https://a:geheim/1@h"]
)
@pytest.mark.parametrize(
    ("field", "told"), [("mlflow_url", "MLFLOW_TRACKING_PASSWORD"), ("dashboard_url", "RAY_AUTH_TOKEN_PATH")]
)
def test_an_address_with_a_password_is_refused_with_what_to_do_and_without_showing_it(
    field: str, told: str, url: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        StackConfig.model_validate({"models": [MODEL], "observability": {field: url}})
    (problem,) = refused.value.problems
    assert problem.startswith(f"observability.{field}: has a user name or password in it")
    assert told in problem
    assert SECRET not in problem


@pytest.mark.parametrize("url", ["mlflow:5000", "javascript:alert(1)", "https://", "sqlite:///mlflow.db", "//host"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"observability\.mlflow_url: must start with http:// or https://"):
        StackConfig.model_validate({"models": [MODEL], "observability": {"mlflow_url": url}})


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ada:geheim@host:5000/x?q=1#f", "https://host:5000/x?q=1#f"),
        ("https://ada:p@ss@host", "https://host"),
        ("postgresql://ada:geheim@host/mlflow", "postgresql://host/mlflow"),
        ("ada:geheim@host:5000", "host:5000"),
        ("https://host/a@b", "https://host/a@b"),
        ("sqlite:////home/ada@work/mlflow.db", "sqlite:////home/ada@work/mlflow.db"),
    ],
)
def test_what_is_shown_of_an_address_has_no_credentials(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


async def test_the_consoles_links_need_no_key_and_tell_no_password(bench: Bench) -> None:
    links = {"mlflow": "https://ada:geheim@host/mlflow", "ray": None}
    transport = httpx.ASGITransport(create_api(replace(bench.gateway, links=links)))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/console/links")
    assert answer.json() == {"mlflow": "https://host/mlflow", "ray": None}


def test_jobs_refuse_such_an_address_too_and_do_not_repeat_it() -> None:
    url = "http://ada:geheim@127.0.0.1:9"
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_PASSWORD") as refused:
        check_tracking(url)
    assert SECRET not in str(refused.value)

    publishing = typer.Typer()
    publishing.command()(publish_prompts.main)
    published = CliRunner().invoke(publishing, ["--mlflow-url", url])
    assert published.exit_code == 2
    assert "MLFLOW_TRACKING_PASSWORD" in published.output.replace("\n", "")
    assert SECRET not in published.output
