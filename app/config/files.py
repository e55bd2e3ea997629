"""Reading the stack's configuration from the file that `serve run` takes."""

import sys
from pathlib import Path
from typing import Any

import yaml

from app.config.errors import ConfigError
from app.config.stack import StackConfig, default_home

PROJECT = Path(__file__).resolve().parents[2]
"""The folder that holds app/, deployments/, jobs/, prompts/ and evals/."""


def load_stack(path: Path | None = None) -> StackConfig:
    """The `args` of a Serve config file, validated.

    Without a path: the configuration that a stack on this home runs with, or ran with last, else
    `deployments/laptop.yaml`, which is told on standard error. Raises ConfigError when there is no such file or it is
    wrong.
    """
    path = path or _running(default_home())
    return StackConfig.model_validate(read_serve_file(path)["applications"][0].get("args") or {})


def _running(home: Path) -> Path:
    """What `make serve` has written, else what every ingress leaves for the jobs of batches, as on a cluster."""
    for path in (home / "run" / "serve.yaml", home / "files" / "serve.json"):
        if path.is_file():
            return path
    path = PROJECT / "deployments" / "laptop.yaml"
    print(f"No stack has run on {home}; the configuration is {path}. --config names another one.", file=sys.stderr)
    return path


def read_serve_file(path: Path) -> dict[str, Any]:
    """The whole Serve config file. Raises ConfigError."""
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ConfigError([f"no configuration at {path}"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path} cannot be read as text: {type(error).__name__}"]) from None
    except yaml.YAMLError as error:
        raise ConfigError([f"{path} is not YAML: {error}"]) from None
    applications = content.get("applications") if isinstance(content, dict) else None
    if not isinstance(applications, list) or not applications or not isinstance(applications[0], dict):
        raise ConfigError([f"{path}: needs `applications:` with one application in it"])
    return dict(content)
