"""A run says which code and configuration it was made with."""

import shutil
import subprocess
from pathlib import Path

import pytest

from app.config import StackConfig
from app.evals.provenance import config_digest, git_commit


def config(**changes: object) -> StackConfig:
    return StackConfig.model_validate({"models": [{"id": "chat", "source": "models/chat"}]} | changes)


def test_the_digest_changes_with_what_can_change_an_answer() -> None:
    assert config_digest(config()) == config_digest(config())
    assert config_digest(config()) != config_digest(config(retrieval={"top_k": 9}))


def test_the_digest_is_the_same_on_another_machine(tmp_path: Path) -> None:
    assert config_digest(config()) == config_digest(config(home=str(tmp_path)))
    assert config_digest(config()) == config_digest(config(observability={"mlflow_url": "http://mlflow:5000"}))


def test_outside_a_checkout_there_is_no_commit(tmp_path: Path) -> None:
    assert git_commit(tmp_path) is None


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_commit_says_when_files_differ_from_it(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    git("init")
    (tmp_path / "file").write_text("1")
    git("add", ".")
    git("commit", "-m", "first")
    clean = git_commit(tmp_path)
    assert clean is not None
    assert len(clean) == 40
    (tmp_path / "file").write_text("2")
    assert git_commit(tmp_path) == f"{clean}-dirty"
