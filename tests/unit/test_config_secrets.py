"""Secrets: from the environment or from private files, never shown."""

import stat
from pathlib import Path

import pytest

from app.config import ConfigError, Secrets, ensure_secrets, load_api_key, load_secrets

ADMIN, PEPPER = "sk-admin-of-a-test", "pepper-of-a-test"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_missing_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"

    made = ensure_secrets(home, {})

    assert made.api_key.startswith("sk-sextant-")
    assert made.admin_key.startswith("sk-admin-")
    assert len(made.hash_key) >= 32
    assert ensure_secrets(home, {}) == made
    assert load_secrets(home, {}) == made


def test_their_files_can_be_read_by_their_owner_alone(tmp_path: Path) -> None:
    ensure_secrets(tmp_path, {})

    assert {mode(tmp_path / name) for name in ("api_key", "admin_key", "secret")} == {0o600}


def test_two_homes_get_different_secrets(tmp_path: Path) -> None:
    one, other = ensure_secrets(tmp_path / "1", {}), ensure_secrets(tmp_path / "2", {})

    assert one.api_key != other.api_key
    assert one.hash_key != other.hash_key


def test_the_environment_comes_before_the_files(tmp_path: Path) -> None:
    ensure_secrets(tmp_path, {})

    found = load_secrets(
        tmp_path, {"SEXTANT_API_KEY": "sk-mine", "SEXTANT_ADMIN_KEY": f" {ADMIN}\n", "SEXTANT_SECRET": f"{PEPPER} "}
    )

    assert found == Secrets("sk-mine", ADMIN, PEPPER.encode())
    assert load_api_key(tmp_path, {"SEXTANT_API_KEY": " sk-mine\n"}) == "sk-mine"


def test_white_space_in_the_environment_is_no_secret(tmp_path: Path) -> None:
    assert ensure_secrets(tmp_path, {"SEXTANT_SECRET": " \n"}) == load_secrets(tmp_path, {})


def test_what_the_environment_gives_is_not_written_down(tmp_path: Path) -> None:
    ensure_secrets(tmp_path, {"SEXTANT_API_KEY": "sk-mine"})

    assert not (tmp_path / "api_key").exists()
    assert (tmp_path / "secret").exists()


def test_a_secret_that_is_nowhere_is_told_with_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("\n")

    with pytest.raises(ConfigError) as raised:
        load_secrets(tmp_path, {})

    key, admin, secret = raised.value.problems
    assert key.startswith(f"secret 'api_key': set SEXTANT_API_KEY or write {tmp_path / 'api_key'}")
    assert admin.startswith(f"secret 'admin_key': set SEXTANT_ADMIN_KEY or write {tmp_path / 'admin_key'}")
    assert secret.startswith(f"secret 'secret': set SEXTANT_SECRET or write {tmp_path / 'secret'}")


def test_a_client_needs_the_api_key_alone(tmp_path: Path) -> None:
    (tmp_path / "api_key").write_text("sk-mine\n")

    assert load_api_key(tmp_path, {}) == "sk-mine"
    assert load_api_key(tmp_path, {"SEXTANT_API_KEY": "sk-other"}) == "sk-other"
    with pytest.raises(ConfigError, match="SEXTANT_API_KEY"):
        load_api_key(tmp_path / "nowhere", {})


def test_white_space_around_a_secret_in_a_file_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "api_key").write_text(" sk-mine\n")
    (tmp_path / "admin_key").write_text(f"{ADMIN}\n")
    (tmp_path / "secret").write_text(f"{PEPPER}\n")

    assert load_secrets(tmp_path, {}) == Secrets("sk-mine", ADMIN, PEPPER.encode())


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("SEXTANT_ADMIN_KEY", "sk-admin-123456", "shorter than 16 characters"),
        ("SEXTANT_SECRET", "pepper", "shorter than 16 characters"),
        ("SEXTANT_API_KEY", "sk-batch-mine", "begins with sk-batch-"),
    ],
)
def test_what_can_be_guessed_or_taken_for_another_is_refused(
    tmp_path: Path, variable: str, value: str, told: str
) -> None:
    ensure_secrets(tmp_path, {})

    with pytest.raises(ConfigError, match=told) as refused:
        load_secrets(tmp_path, {variable: value})

    assert variable in str(refused.value)
    assert value not in str(refused.value)


def test_the_admin_key_must_be_another_than_the_api_key(tmp_path: Path) -> None:
    ensure_secrets(tmp_path, {})

    with pytest.raises(ConfigError, match="SEXTANT_ADMIN_KEY is the same"):
        load_secrets(tmp_path, {"SEXTANT_API_KEY": "sk-one", "SEXTANT_ADMIN_KEY": "sk-one"})


def test_secrets_do_not_show_in_a_repr() -> None:
    shown = repr(Secrets("sk-mine", "sk-root", b"pepper")) + str(Secrets("sk-mine", "sk-root", b"pepper"))

    assert "sk-mine" not in shown
    assert "sk-root" not in shown
    assert "pepper" not in shown
