"""Secrets: read once from the environment or from files in the state directory, never from YAML.

| secret | environment | file |
| --- | --- | --- |
| API key of the default tenant | SEXTANT_API_KEY | api_key |
| key of the admin routes | SEXTANT_ADMIN_KEY | admin_key |
| key of all keyed hashes | SEXTANT_SECRET | secret |
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.config.errors import ConfigError
from app.config.places import make_private

# file name, environment variable, what a made one begins with
SECRETS = (
    ("api_key", "SEXTANT_API_KEY", "sk-sextant-"),
    ("admin_key", "SEXTANT_ADMIN_KEY", "sk-admin-"),
    ("secret", "SEXTANT_SECRET", ""),
)
# Everything that is hashed or signed can be tried against a guess of these; the API key is the user's own affair.
MIN_LENGTH = 16
BATCH_PREFIX = "sk-batch-"


@dataclass(frozen=True)
class Secrets:
    """What must not be shown; `repr` does not."""

    api_key: str = field(repr=False)
    admin_key: str = field(repr=False)
    hash_key: bytes = field(repr=False)


def load_secrets(home: Path, environment: Mapping[str, str] = os.environ) -> Secrets:
    """Read the secrets. Raises ConfigError when one is nowhere to be found, can be guessed or taken for another."""
    found = {name: _given(environment, variable) or _read(home / name) for name, variable, _ in SECRETS}
    missing = [(name, variable) for name, variable, _ in SECRETS if not found[name]]
    if missing:
        raise ConfigError(
            f"secret {name!r}: set {variable} or write {home / name}; `make serve` makes all of them"
            for name, variable in missing
        )
    if found["api_key"] == found["admin_key"]:
        raise ConfigError(["SEXTANT_ADMIN_KEY is the same as SEXTANT_API_KEY; give the admin routes their own key"])
    problems = [
        f"secret {name!r}: shorter than {MIN_LENGTH} characters; set {variable} to a random text, "
        "such as `openssl rand -base64 32` prints"
        for name, variable, _ in SECRETS
        if name != "api_key" and len(found[name]) < MIN_LENGTH
    ]
    if found["api_key"].startswith(BATCH_PREFIX):
        problems.append(f"SEXTANT_API_KEY begins with {BATCH_PREFIX}, as tokens of batches do; give another one")
    if problems:
        raise ConfigError(problems)
    return Secrets(found["api_key"], found["admin_key"], found["secret"].encode())


def load_api_key(home: Path, environment: Mapping[str, str] = os.environ) -> str:
    """The API key alone, for a client of the stack. Raises ConfigError."""
    key = _given(environment, "SEXTANT_API_KEY") or _read(home / "api_key")
    if not key:
        raise ConfigError([f"secret 'api_key': set SEXTANT_API_KEY or write {home / 'api_key'}"])
    return key


def ensure_secrets(home: Path, environment: Mapping[str, str] = os.environ) -> Secrets:
    """Make what is missing, readable by this user alone, then load."""
    make_private(home)
    for name, variable, prefix in SECRETS:
        if not _given(environment, variable) or (home / name).is_file():
            ensure_private(home / name, prefix + secrets.token_urlsafe(32))
    return load_secrets(home, environment)


def ensure_private(path: Path, text: str) -> bool:
    """Write a secret's file where it is missing or empty, and close it to others in any case.

    Returns whether it was written.
    """
    if _read(path):
        path.chmod(0o600)
        return False
    write_private(path, text)
    return True


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(descriptor, 0o600)  # the mode above is for a new file
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _given(environment: Mapping[str, str], variable: str) -> str:
    return environment.get(variable, "").strip()


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""
