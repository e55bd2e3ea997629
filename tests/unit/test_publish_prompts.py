"""Publishing prompts against a real registry, and what a run that is stopped in between leaves to the next."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import mlflow
import pytest
import typer
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from typer.testing import CliRunner, Result

from app.prompts import Prompt
from jobs import publish_prompts
from jobs.publish_prompts import OWED_TAG, publish

ALIAS = "production"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[MlflowClient]:
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    yield MlflowClient()
    mlflow.set_tracking_uri(before)


def file(text: str) -> Prompt:
    return Prompt("docs", "file-1", text)


def served(registry: MlflowClient) -> int:
    return int(registry.get_prompt_version_by_alias("docs", ALIAS).version)


def tags(registry: MlflowClient) -> list[dict[str, str]]:
    """Of the prompt, and of its versions from the newest on."""
    prompt = registry.get_prompt("docs")
    assert prompt is not None
    return [prompt.tags, *(version.tags for version in registry.search_prompt_versions("docs"))]


def stopped(text: str, monkeypatch: pytest.MonkeyPatch, call: str = "set_prompt_alias") -> None:
    """Publish, and be stopped at this call."""

    def stop(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, call, stop)
        with pytest.raises(KeyboardInterrupt):
            publish(file(text), ALIAS)


def test_a_new_text_is_served_and_again_nothing_happens(registry: MlflowClient) -> None:
    assert publish(file("one"), ALIAS) == "docs: new version 1, now 'production'"
    assert publish(file("two"), ALIAS) == "docs: new version 2, now 'production'"
    assert publish(file("two"), ALIAS) == "docs: version 2 is this file"
    assert served(registry) == 2
    assert not any(OWED_TAG in each for each in tags(registry))


def test_an_alias_that_somebody_moved_stays(registry: MlflowClient) -> None:
    for text in ("one", "two"):
        publish(file(text), ALIAS)
    registry.set_prompt_alias("docs", ALIAS, 1)
    assert publish(file("two"), ALIAS) == "docs: version 2 is this file"
    assert served(registry) == 1


@pytest.mark.parametrize("before", [(), ("one",)])
def test_a_run_that_was_stopped_before_the_alias_is_finished_by_the_next(
    registry: MlflowClient, monkeypatch: pytest.MonkeyPatch, before: tuple[str, ...]
) -> None:
    for text in before:
        publish(file(text), ALIAS)
    stopped("new", monkeypatch)

    said = publish(file("new"), ALIAS)

    new = len(before) + 1
    assert said == f"docs: version {new} of an interrupted run, now 'production'"
    assert served(registry) == new
    assert not any(OWED_TAG in each for each in tags(registry))
    assert publish(file("new"), ALIAS) == f"docs: version {new} is this file"


def test_an_owed_alias_that_somebody_moved_since_is_left_alone(
    registry: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("one", "two"):
        publish(file(text), ALIAS)
    stopped("three", monkeypatch)
    registry.set_prompt_alias("docs", ALIAS, 1)

    assert publish(file("three"), ALIAS) == "docs: version 3 is this file; 'production' stays at version 1"
    assert served(registry) == 1
    registry.set_prompt_alias("docs", ALIAS, 2)
    assert publish(file("three"), ALIAS) == "docs: version 3 is this file", "it is owed no more"
    assert served(registry) == 2


def test_a_run_that_was_stopped_after_the_alias_owes_nothing(
    registry: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(file("one"), ALIAS)
    stopped("two", monkeypatch, "delete_prompt_version_tag")
    assert served(registry) == 2

    publish(file("two"), ALIAS)

    assert served(registry) == 2
    assert not any(OWED_TAG in each for each in tags(registry))


def test_a_version_that_was_never_served_is_served_when_its_text_is_the_files_again(
    registry: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(file("one"), ALIAS)
    stopped("two", monkeypatch)
    assert publish(file("one"), ALIAS) == "docs: version 1 is this file"
    assert served(registry) == 1
    publish(file("two"), ALIAS)
    assert served(registry) == 2


def test_the_files_of_the_configuration_that_is_named_are_published(registry: MlflowClient, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "docs.md").write_text("one")
    args = {
        "models": [{"id": "m", "source": "org/m"}],
        "prompts": {"directory": str(tmp_path / "own"), "alias": ALIAS},
        "observability": {"mlflow_url": "http://127.0.0.1:1"},
    }
    path = tmp_path / "cluster.yaml"
    path.write_text(json.dumps({"applications": [{"args": args}]}))

    done = published("--config", str(path), "--mlflow-url", f"sqlite:///{tmp_path / 'mlflow.db'}")

    assert done.exit_code == 0, done.output
    assert "docs: new version 1" in done.output
    assert served(registry) == 1


def test_a_configuration_that_is_wrong_is_not_replaced_by_defaults(tmp_path: Path) -> None:
    done = published("--config", str(tmp_path / "absent.yaml"), "--mlflow-url", "http://127.0.0.1:1")
    assert done.exit_code == 2
    assert "no configuration at" in done.output


def published(*arguments: str) -> Result:
    publishing = typer.Typer()
    publishing.command()(publish_prompts.main)
    return CliRunner().invoke(publishing, arguments)


def test_a_registry_that_cannot_say_what_it_has_gets_nothing(
    registry: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("one", "two"):
        publish(file(text), ALIAS)
    registry.set_prompt_alias("docs", ALIAS, 1)

    def refuse(*_: object, **__: object) -> NoReturn:
        raise MlflowException("API request failed with 503")

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "search_prompt_versions", refuse)
        with pytest.raises(MlflowException, match="503"):
            publish(file("two"), ALIAS)
    assert len(tags(registry)) == 3, "the prompt and two versions"
    assert served(registry) == 1
