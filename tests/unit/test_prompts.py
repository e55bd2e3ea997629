"""Prompts: files first, then what the registry's alias says, and never a request that waits for it."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from app.config import PromptsConfig
from app.prompts import Prompt, PromptBook


@pytest.fixture
def config(tmp_path: Path) -> PromptsConfig:
    (tmp_path / "assistant.md").write_text("You are terse.\n")
    return PromptsConfig(directory=str(tmp_path))


def registry(answers: dict[str, Any]) -> httpx.AsyncClient:
    """MLflow's registry, as far as it is asked."""

    def handle(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/2.0/mlflow/registered-models/alias"
        assert request.url.params["alias"] == "production"
        found = answers.get(request.url.params["name"])
        if isinstance(found, Exception):
            raise found
        return httpx.Response(200, json=found) if found else httpx.Response(404)

    return httpx.AsyncClient(transport=httpx.MockTransport(handle), base_url="http://mlflow")


def version(number: str, text: str) -> dict[str, Any]:
    return {"model_version": {"version": number, "tags": [{"key": "mlflow.prompt.text", "value": text}]}}


def test_a_file_is_served_under_a_version_that_changes_with_it(config: PromptsConfig) -> None:
    first = PromptBook(config, {"assistant"}, None)["assistant"]
    (Path(config.directory) / "assistant.md").write_text("You are verbose.")
    second = PromptBook(config, {"assistant"}, None)["assistant"]
    assert first.template == "You are terse."
    assert first.version.startswith("file-")
    assert first.identity != second.identity


def test_a_prompt_that_is_nowhere_is_an_error_at_start(config: PromptsConfig) -> None:
    with pytest.raises(KeyError, match="poet"):
        PromptBook(config, {"assistant", "poet"}, None)
    with pytest.raises(FileNotFoundError, match=r"prompts\.directory"):
        PromptBook(PromptsConfig(directory="/nowhere"), {"assistant"}, None)


async def test_the_registrys_alias_is_followed_forward_and_back(config: PromptsConfig) -> None:
    book = PromptBook(config, {"assistant"}, None)
    for number, text in (("2", "New."), ("3", "Newer."), ("2", "New.")):
        await book.refresh(registry({"assistant": version(number, text)}))
        assert book["assistant"] == Prompt("assistant", number, text)


@pytest.mark.parametrize(
    "answer", [None, httpx.ConnectError("down"), {"model_version": {"version": "4"}}, {"unexpected": 1}]
)
async def test_what_the_registry_does_not_tell_changes_nothing(config: PromptsConfig, answer: Any) -> None:
    book = PromptBook(config, {"assistant"}, None)
    await book.refresh(registry({"assistant": version("2", "New.")}))
    await book.refresh(registry({"assistant": answer}))
    assert book["assistant"].version == "2"


def test_values_are_put_in_and_not_looked_at_again() -> None:
    prompt = Prompt("p", "1", "{{passages}} | {{ question }}")
    assert prompt.render(passages="{{question}}", question="why?") == "{{question}} | why?"
    with pytest.raises(KeyError):
        prompt.render(question="why?")
