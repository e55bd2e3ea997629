"""`make serve`: the whole stack on one machine, from nothing to a ready URL, and back to nothing.

Starts MLflow and Ray, runs the Serve application of deployments/laptop.yaml, publishes the prompts,
ingests the knowledge base by a Ray job, and says where everything is. Ctrl-C or SIGTERM ends all of it.
"""

import fcntl
import json
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from app.config import ConfigError, default_home, ensure_secrets, load_api_key
from app.config.files import PROJECT
from app.config.places import make_private
from app.config.secrets import ensure_private
from deployments.plan import LAPTOP, LOGICAL_CPUS, LOOPBACK, Plan, make_plan
from deployments.processes import Child, Supervisor, adopt_orphans

console = Console(highlight=False)
PYTHON = sys.executable
START_TIMEOUT_S = 300.0
DEFAULT_DOCUMENTS = (PROJECT / "docs", PROJECT / "README.md")


class StartFailed(Exception):
    """The stack did not come up; `str()` says why and where to look."""


class Stop(BaseException):
    """Somebody asked the stack to end."""


class Laptop:
    """The stack's processes, in the order in which they come up."""

    def __init__(self, plan: Plan, documents: tuple[Path, ...]) -> None:
        self._plan = plan
        self._documents = documents
        logs = plan.home / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self.supervisor = Supervisor(logs)
        self._started = time.monotonic()

    def start(self) -> None:
        """Bring everything up. Raises StartFailed."""
        mlflow = self._mlflow()
        self._ray()
        self._wait("Ray", self._answers(f"{self._plan.ports.dashboard_url}/api/version", {200, 401, 403}))
        serve = self._run("serve", ["serve", "run", str(self._plan.serve_file)], essential=True)
        ingest = self._job("ingest", "jobs.ingest", *map(str, self._documents))
        self._wait("MLflow", self._answers(f"{self._plan.ports.mlflow_url}/health"), mlflow)
        prompts = self._run("prompts", [PYTHON, "-m", "jobs.publish_prompts"], essential=False)
        self._wait("prompts in MLflow's registry", self._finished(prompts))
        self._wait(
            "gateway, guard, cache, retriever, model", self._answers(f"{self._plan.ports.base_url}/readyz"), serve
        )
        self._wait("knowledge base", self._finished(ingest))
        self._announce()

    def watch(self) -> None:
        """Return only by an exception: Stop, or StartFailed when something essential has ended."""
        mlflow = self.supervisor.named("mlflow")
        told = False
        while True:
            self._check_alive()
            if not told and mlflow.process.poll() is not None:
                told = True
                console.print(f"[yellow]![/] MLflow has ended; traces are dropped. See {mlflow.log}")
            time.sleep(0.5)

    def _mlflow(self) -> Child:
        home = self._plan.home / "mlflow"
        home.mkdir(exist_ok=True)
        command = [PYTHON, "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(self._plan.ports.mlflow)]
        command += ["--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}", "--workers", "1"]
        command += ["--artifacts-destination", str(home / "artifacts")]
        # Requests do without it, so the stack goes on when it dies.
        return self._run("mlflow", command, essential=False)

    def _ray(self) -> None:
        directory, ports = self._plan.ray_directory, self._plan.ports
        shutil.rmtree(directory, ignore_errors=True)  # the logs of earlier sessions
        command = ["ray", "start", "--head", "--block"]
        command += ["--port", str(ports.gcs), "--dashboard-port", str(ports.dashboard)]
        command += ["--ray-client-server-port", str(ports.ray_client)]
        command += ["--dashboard-agent-listen-port", str(ports.agent)]
        command += ["--num-cpus", str(LOGICAL_CPUS), "--object-store-memory", str(256 * 1024**2)]
        command += ["--temp-dir", str(directory), "--disable-usage-stats"]
        # Ray's own processes must not look for a cluster to join.
        environment = {name: value for name, value in self._plan.environment.items() if name != "RAY_ADDRESS"}
        self.supervisor.start("ray", command, environment, essential=True)

    def _job(self, name: str, module: str, *arguments: str) -> Child:
        submit = ["ray", "job", "submit", "--address", self._plan.ports.dashboard_url, "--log-style", "record"]
        return self._run(name, [*submit, "--", PYTHON, "-m", module, *arguments], essential=False)

    def _run(self, name: str, command: list[str], *, essential: bool) -> Child:
        return self.supervisor.start(name, command, self._plan.environment, essential=essential)

    def _wait(self, what: str, is_there: Callable[[], bool], child: Child | None = None) -> None:
        """Wait for a condition, with the log's last line shown beside it."""
        deadline = time.monotonic() + START_TIMEOUT_S
        with console.status(f"{what} ..."):
            while not is_there():
                self._check_alive()
                if child and child.process.poll() is not None:
                    raise StartFailed(f"{child.name} {child.last_words()}")
                if time.monotonic() > deadline:
                    hint = f"\n{child.tail()}" if child else ""
                    raise StartFailed(f"{what}: not up after {START_TIMEOUT_S:.0f} s; see {self.supervisor.logs}{hint}")
                time.sleep(0.1)
        console.print(f"[green]✓[/] {what} [dim]({time.monotonic() - self._started:.1f} s)[/]")

    def _check_alive(self) -> None:
        fallen = self.supervisor.fallen()
        if fallen:
            raise StartFailed(f"{fallen.name} {fallen.last_words()}")

    @staticmethod
    def _answers(url: str, good: frozenset[int] | set[int] = frozenset({200})) -> Callable[[], bool]:
        def check() -> bool:
            try:
                return httpx.get(url, timeout=5).status_code in good
            except httpx.HTTPError:
                return False

        return check

    @staticmethod
    def _finished(child: Child) -> Callable[[], bool]:
        def check() -> bool:
            code = child.process.poll()
            if code:
                raise StartFailed(f"{child.name} failed; the end of {child.log}:\n{child.tail(25)}")
            return code == 0

        return check

    def _announce(self) -> None:
        plan = self._plan
        key = load_api_key(plan.home)
        facts: dict[str, Any] = {
            "base_url": f"{plan.ports.base_url}/v1",
            "console_url": f"{plan.ports.base_url}/console/",
            "mlflow_url": plan.ports.mlflow_url,
            "dashboard_url": plan.ports.dashboard_url,
            "ray_address": plan.environment["RAY_ADDRESS"],
            "ray_directory": str(plan.ray_directory),
            "pid": os.getpid(),
        }
        partial = plan.home / "run" / "stack.json.partial"
        partial.write_text(json.dumps(facts, indent=2))
        partial.replace(partial.with_suffix(""))
        question = '{"model": "docs", "messages": [{"role": "user", "content": "What does the guard mask?"}]}'
        console.print(
            Panel.fit(
                f"Base URL   [bold]{plan.ports.base_url}/v1[/]\n"
                f"API key    [bold]{key}[/]\n"
                f"Console    {facts['console_url']}\n"
                f"MLflow     {plan.ports.mlflow_url}\n"
                f"Ray        {plan.ports.dashboard_url}  [dim](token: {plan.home / 'ray_token'})[/]\n"
                f"Logs       {self.supervisor.logs} and {plan.ray_directory}",
                title=f"Sextant is ready after {time.monotonic() - self._started:.0f} s",
            )
        )
        console.print("Ask it:\n", end="")
        # Printed whole, so that it can be pasted.
        print(
            f"curl {plan.ports.base_url}/v1/chat/completions -H 'Authorization: Bearer {key}' \\\n"
            f"  -H 'Content-Type: application/json' -d '{question}'",
            flush=True,
        )
        console.print("[dim]Ctrl-C ends everything.[/]")


def lock_home(home: Path) -> Any:
    """One stack a home. Raises ConfigError when another one runs on it."""
    try:
        make_private(home)  # secrets, documents and traces are in it
    except PermissionError as error:
        raise ConfigError([str(error)]) from None
    lock = (home / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ConfigError([f"another stack runs on {home}; stop it, or set SEXTANT_HOME to another folder"]) from None
    return lock


def prepare(home: Path, port: int, model: str | None, config: Path, *, usual_ports: bool) -> Plan:
    """Secrets, token and plan. Raises ConfigError."""
    ensure_secrets(home)
    ensure_private(home / "ray_token", secrets.token_hex(32))
    return make_plan(home, port, model, os.environ, config=config, usual_ports=usual_ports)


def main(
    port: Annotated[int, typer.Option(envvar="SEXTANT_PORT", help="Port of the gateway.")] = 8000,
    home: Annotated[Path | None, typer.Option(envvar="SEXTANT_HOME", help="State directory.")] = None,
    model: Annotated[str | None, typer.Option(help="Hugging Face id or directory of another chat model.")] = None,
    docs: Annotated[list[Path] | None, typer.Option(help="What to ingest instead of this project's docs.")] = None,
    config: Annotated[Path, typer.Option(help="The Serve file to run.", dir_okay=False)] = LAPTOP,
    usual_ports: Annotated[
        bool, typer.Option(help="MLflow on 5000 and Ray's dashboard on 8265 where those are free.")
    ] = True,
) -> None:
    """Run the whole stack on this machine until Ctrl-C or SIGTERM."""

    def stop(*_: object) -> None:
        raise Stop

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    place = (home or default_home()).absolute()
    laptop: Laptop | None = None
    code = 0
    try:
        lock = lock_home(place)
        documents = tuple(path.absolute() for path in docs or DEFAULT_DOCUMENTS)
        missing = [str(path) for path in documents if not path.exists()]
        if missing:
            raise ConfigError([f"DOCS: there is no {path}" for path in missing])
        adopt_orphans()
        laptop = Laptop(prepare(place, port, model or None, config, usual_ports=usual_ports), documents)
        laptop.start()
        laptop.watch()
    except (ConfigError, StartFailed) as error:
        # A log's end may hold what looks like markup.
        console.print(f"[red]✗[/] {escape(str(error))}")
        code = 1
    except Stop:
        pass
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if laptop:
            console.print("Stopping ...")
            (place / "run" / "stack.json").unlink(missing_ok=True)
            laptop.supervisor.stop_all()
            console.print("Stopped; no process is left.")
            lock.close()
    raise typer.Exit(code)


if __name__ == "__main__":
    typer.run(main)
