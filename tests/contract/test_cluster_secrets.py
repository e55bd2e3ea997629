"""`python -m deployments.cluster_secrets`: what it makes, what it keeps, and who can read it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import load_secrets
from deployments import cluster_secrets
from deployments.cluster_secrets import RAY_TOKEN, SECRETS, STORES, ensure_cluster_secrets
from deployments.plan import read_env_file


def test_secrets_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    made = ensure_cluster_secrets(tmp_path / "cluster")
    assert sorted(path.name for path in made) == sorted([RAY_TOKEN, SECRETS, STORES])
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
    assert (tmp_path / "cluster").stat().st_mode & 0o777 == 0o700


def test_secrets_are_what_replicas_and_stores_look_for(tmp_path: Path) -> None:
    ensure_cluster_secrets(tmp_path)
    secrets = load_secrets(tmp_path / "nowhere", read_env_file(tmp_path / SECRETS))
    assert secrets.api_key.startswith("sk-sextant-")
    stores = read_env_file(tmp_path / STORES)
    assert stores["MLFLOW_BACKEND_STORE_URI"].count(f":{stores['POSTGRES_PASSWORD']}@") == 1


def test_secrets_that_are_there_are_kept_and_only_missing_ones_made(tmp_path: Path) -> None:
    ensure_cluster_secrets(tmp_path)
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert ensure_cluster_secrets(tmp_path) == []
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before
    (tmp_path / SECRETS).write_text("# mine\nSEXTANT_API_KEY=sk-mine\nHF_TOKEN=hf-mine")  # no newline at the end
    (tmp_path / SECRETS).chmod(0o644)
    assert ensure_cluster_secrets(tmp_path) == [tmp_path / SECRETS]
    after = read_env_file(tmp_path / SECRETS)
    assert (after["SEXTANT_API_KEY"], after["HF_TOKEN"]) == ("sk-mine", "hf-mine")
    assert after["SEXTANT_SECRET"]
    assert (tmp_path / SECRETS).stat().st_mode & 0o777 == 0o600


def test_a_database_password_is_kept_when_its_address_is_missing(tmp_path: Path) -> None:
    (tmp_path / STORES).write_text("POSTGRES_PASSWORD=mine\n")
    ensure_cluster_secrets(tmp_path)
    assert ":mine@" in read_env_file(tmp_path / STORES)["MLFLOW_BACKEND_STORE_URI"]


def test_ray_takes_the_token(tmp_path: Path) -> None:
    ensure_cluster_secrets(tmp_path)
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(tmp_path / RAY_TOKEN)}
    ray = str(Path(sys.executable).parent / "ray")
    done = subprocess.run([ray, "get-auth-token"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (tmp_path / RAY_TOKEN).read_text()


def test_the_command_shows_paths_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster_secrets, "CLUSTER", tmp_path)
    cluster_secrets.main()
    shown = capsys.readouterr().out
    assert str(tmp_path / SECRETS) in shown
    assert "ray up" in shown
    secrets = [*read_env_file(tmp_path / SECRETS).values(), (tmp_path / RAY_TOKEN).read_text()]
    assert [secret for secret in secrets if secret in shown] == []
