"""What `make clean` removes, and what it does not."""

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.config.files import PROJECT

STORED = ("sextant.db", "qdrant", "valkey", "mlflow", "files", "secret", "api_key")
MADE = ("models", "logs", "run", "ray")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with this Makefile in it, as it looks after some use."""
    folder = tmp_path / "checkout"
    for path in (".venv/bin", ".bench-venv", ".ruff_cache", "app"):
        (folder / path).mkdir(parents=True)
    shutil.copy(PROJECT / "Makefile", folder)
    used(folder / ".sextant")
    cluster = folder / ".sextant" / "cluster"
    cluster.mkdir()
    (cluster / "stores.env").write_text("POSTGRES_PASSWORD=only-here\n")
    return folder


def used(home: Path) -> Path:
    for name in (*STORED, *MADE):
        (home / name).mkdir(parents=True)
    (home / "lock").touch()
    return home


def make(checkout: Path, target: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"]} | ({"SEXTANT_HOME": str(home)} if home else {})
    command = ["make", "--no-print-directory", "-C", str(checkout), target]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def left(folder: Path, *names: str) -> list[str]:
    return [name for name in names if (folder / name).exists()]


def test_clean_keeps_what_cannot_be_made_again(checkout: Path) -> None:
    assert make(checkout, "clean").returncode == 0
    assert left(checkout, ".venv", ".bench-venv", ".ruff_cache", "app") == ["app"]
    assert left(checkout / ".sextant", *MADE) == []
    assert left(checkout / ".sextant", *STORED) == list(STORED)
    assert "only-here" in (checkout / ".sextant" / "cluster" / "stores.env").read_text()


def test_stored_data_has_a_target_of_its_own_which_keeps_a_clusters_secrets(checkout: Path) -> None:
    assert make(checkout, "clean-data").returncode == 0
    assert left(checkout / ".sextant", *STORED) == []
    assert left(checkout / ".sextant", *MADE) == list(MADE)
    assert left(checkout, ".venv") == [".venv"]
    assert "only-here" in (checkout / ".sextant" / "cluster" / "stores.env").read_text()


@pytest.mark.parametrize("target", ["clean", "clean-data"])
def test_nothing_is_removed_under_a_running_stack(checkout: Path, target: str) -> None:
    with (checkout / ".sextant" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as deployments/laptop.py does
        refused = make(checkout, target)
    assert refused.returncode != 0
    assert "stop it first" in refused.stderr
    assert left(checkout, ".venv") == [".venv"]
    assert left(checkout / ".sextant", *STORED, *MADE) == [*STORED, *MADE]


def test_another_home_is_the_one_that_is_cleaned_and_nothing_else_in_it(checkout: Path, tmp_path: Path) -> None:
    home = used(tmp_path / "my home")
    (home / "thesis").mkdir()
    for target in ("clean", "clean-data"):
        assert make(checkout, target, home).returncode == 0
    assert {path.name for path in home.iterdir()} == {"thesis", "lock"}
    assert left(checkout / ".sextant", *STORED, *MADE) == [*STORED, *MADE]


def test_every_target_with_a_description_is_phony() -> None:
    text = (PROJECT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.+)$", text, re.M)
    assert set(re.findall(r"^([a-z-]+):.*## ", text, re.M)) == set(phony.split())
