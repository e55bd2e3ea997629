"""What a laptop stack will be: its ports, its environment, and the Serve file it runs."""

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from app.config import ConfigError, StackConfig
from app.config.files import PROJECT, read_serve_file
from app.config.places import make_private, short_directory
from deployments.haproxy import MAX_DIRECTORY, find_haproxy, private_places, write_wrapper

LAPTOP = PROJECT / "deployments" / "laptop.yaml"
SERVE_ENV = PROJECT / "deployments" / "serve.env"
LOOPBACK = "127.0.0.1"
PROXY_EXCEPTIONS = ("no_proxy", "NO_PROXY")  # which of the two is read differs between libraries
# Unix socket paths end at 107 bytes, and Ray puts up to 66 behind its temporary directory.
MAX_RAY_DIRECTORY = 38
# Texts in an alias's settings that name something else than a model.
NO_MODELS = {"policy", "prompt", "classifier"}
LOGICAL_CPUS = 8  # Ray's bookkeeping, not a limit: two real cores run the stack


@dataclass(frozen=True)
class Ports:
    """TCP ports on the loopback address."""

    http: int
    mlflow: int
    dashboard: int
    gcs: int
    ray_client: int
    agent: int
    fallback_proxy: int
    haproxy_stats: int
    haproxy_metrics: int
    replicas: int  # first of a range of 200 that ingress replicas listen on

    @property
    def base_url(self) -> str:
        return f"http://{LOOPBACK}:{self.http}"

    @property
    def mlflow_url(self) -> str:
        return f"http://{LOOPBACK}:{self.mlflow}"

    @property
    def dashboard_url(self) -> str:
        return f"http://{LOOPBACK}:{self.dashboard}"

    @classmethod
    def choose(cls, http: int, usual: bool) -> "Ports":
        """MLflow's and Ray's usual ports where they are free and wanted, others where not.

        Raises ConfigError when `http` is taken.
        """
        if not _is_free(http):
            raise ConfigError([f"port {http} is in use; stop what uses it, or set SEXTANT_PORT to another port"])
        taken = {http}

        def free(wish: int = 0) -> int:
            port = wish if wish and usual and wish not in taken and _is_free(wish) else _any_free()
            taken.add(port)
            return port

        return cls(
            http=http,
            mlflow=free(5000),
            dashboard=free(8265),
            gcs=free(),
            ray_client=free(),
            agent=free(),
            fallback_proxy=free(8500),
            haproxy_stats=free(8404),
            haproxy_metrics=free(9101),
            replicas=next(base for base in range(30000, 39800, 200) if _is_free(base) and _is_free(base + 1)),
        )


@dataclass(frozen=True)
class Plan:
    """Everything decided before the first process starts."""

    home: Path
    ports: Ports
    ray_directory: Path
    haproxy_directory: Path | None  # None: Serve's own proxy is used
    serve_file: Path
    environment: dict[str, str]


def make_plan(
    home: Path,
    http_port: int,
    model: str | None,
    environment: Mapping[str, str],
    *,
    config: Path = LAPTOP,
    usual_ports: bool = True,
) -> Plan:
    """Decide. Writes `<home>/run/serve.yaml`. Raises ConfigError."""
    ports = Ports.choose(http_port, usual_ports)
    content = serve_file(home, ports, model, config)
    StackConfig.model_validate(content["applications"][0]["args"])  # refused here rather than in Serve's log
    run = home / "run"
    run.mkdir(parents=True, exist_ok=True)
    path = run / "serve.yaml"
    path.write_text(f"# Made by `make serve` from {config.name}.\n" + yaml.safe_dump(content, sort_keys=False))
    try:
        haproxy = haproxy_directory(home)
        return Plan(home, ports, ray_directory(home), haproxy, path, _environment(home, ports, haproxy, environment))
    except PermissionError as error:  # of the temporary directory
        raise ConfigError([str(error)]) from None


def serve_file(home: Path, ports: Ports, model: str | None, config: Path = LAPTOP) -> dict[str, Any]:
    """The Serve file with ports, home, MLflow's address, and the model asked for. Raises ConfigError."""
    content = read_serve_file(config)
    application = content["applications"][0]
    arguments = application["args"] = application.get("args") or {}
    StackConfig.model_validate(arguments)  # as it was written: what follows may rely on its shape
    content["http_options"] = {"host": LOOPBACK, "port": ports.http}
    arguments["home"] = str(home)
    arguments["observability"] = {
        **arguments.get("observability", {}),
        "mlflow_url": ports.mlflow_url,
        "dashboard_url": ports.dashboard_url,
    }
    arguments["batches"] = {**arguments.get("batches", {}), "gateway_url": f"{ports.base_url}/v1"}
    if model:
        _serve_model(arguments, model)
    return content


def _serve_model(arguments: dict[str, Any], model: str) -> None:
    """Put another model in the place of the first. Raises ConfigError where there is none."""
    if not arguments.get("models"):
        raise ConfigError(["MODEL: this configuration serves no model of its own that another could replace"])
    directory = Path(model)
    is_local = directory.is_dir()
    name = (directory.resolve().name if is_local else model.rsplit("/", 1)[-1]).lower()
    first = arguments["models"][0]
    arguments["aliases"] = {
        alias: _renamed(settings, first["id"], name) for alias, settings in arguments.get("aliases", {}).items()
    }
    first |= {"id": name, "source": str(directory.resolve()) if is_local else model}
    first.pop("revision", None)  # of the other model's weights
    if not is_local:
        first.get("environment", {}).pop("HF_HUB_OFFLINE", None)


def _renamed(settings: Any, before: str, name: str) -> Any:
    """An alias's settings with a model called otherwise, wherever they name it or an adapter of it."""
    if isinstance(settings, dict):
        return {key: value if key in NO_MODELS else _renamed(value, before, name) for key, value in settings.items()}
    if isinstance(settings, list):
        return [_renamed(value, before, name) for value in settings]
    if isinstance(settings, str) and settings.partition(":")[0] == before:
        return name + settings.removeprefix(before)
    return settings


def ray_directory(home: Path) -> Path:
    """Where Ray keeps sockets and logs: in `home` if its path is short enough, else below /tmp."""
    if len(str(home / "ray").encode()) <= MAX_RAY_DIRECTORY:
        return home / "ray"
    return short_directory(home) / "ray"


def haproxy_directory(home: Path) -> Path | None:
    """Where HAProxy keeps its files; made, for this user alone.

    None without HAProxy, or when the paths of all private places are too long for its sockets. Raises
    PermissionError when the place in the temporary directory is somebody else's.
    """
    if sys.platform != "linux" or find_haproxy() is None:
        return None
    places = (short_directory(home) / "ha", home / "ha")
    short = next((place for place in places if len(str(place).encode()) <= MAX_DIRECTORY), None)
    return make_private(short) if short else None


def _environment(home: Path, ports: Ports, haproxy: Path | None, base: Mapping[str, str]) -> dict[str, str]:
    """The environment of every process of the stack. `haproxy`: the directory of its files."""
    tuned = read_env_file(SERVE_ENV)
    binary = find_haproxy()
    if binary is None or haproxy is None:
        tuned["RAY_SERVE_ENABLE_HA_PROXY"] = "0"
    else:
        tuned |= private_places(haproxy)
        tuned["RAY_SERVE_HAPROXY_BINARY_PATH"] = str(
            write_wrapper(home / "run" / "haproxy", binary, loopback_only=True)
        )
    return {
        **tuned,
        **base,  # what the user has set stands
        **without_proxy(base),
        "SEXTANT_HOME": str(home),
        "RAY_AUTH_TOKEN_PATH": str(home / "ray_token"),
        "RAY_ADDRESS": f"{LOOPBACK}:{ports.gcs}",
        # Of another cluster, it would get our jobs and the token: it comes before `ray job submit --address`.
        "RAY_API_SERVER_ADDRESS": ports.dashboard_url,
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports.fallback_proxy),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(ports.haproxy_stats),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports.haproxy_metrics),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(ports.replicas),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(ports.replicas + 199),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{base.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Without it MLflow starts eight more processes for jobs of its own.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "GIT_PYTHON_REFRESH": "quiet",
    }


def without_proxy(base: Mapping[str, str]) -> dict[str, str]:
    """The variables by which no proxy of `base` stands before this machine."""
    given = {name: base[name] for name in PROXY_EXCEPTIONS if base.get(name)}
    any_given = next(iter(given.values()), "")
    exceptions = {}
    for name in PROXY_EXCEPTIONS:
        hosts = [host.strip() for host in given.get(name, any_given).split(",") if host.strip()]
        ours = [host for host in (LOOPBACK, "localhost") if host not in hosts]
        exceptions[name] = "*" if hosts == ["*"] else ",".join([*hosts, *ours])
    return exceptions


def read_env_file(path: Path) -> dict[str, str]:
    """NAME=value lines; `#` begins a comment."""
    pairs = (line.partition("=") for line in path.read_text().splitlines() if "=" in line and line[0] != "#")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _any_free() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
