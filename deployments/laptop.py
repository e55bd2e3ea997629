"""`make serve`: the whole stack on one machine, from nothing to a ready URL, and back to nothing.

Starts MLflow and Ray, runs the Serve application of deployments/laptop.yaml, publishes the prompts,
ingests the knowledge base by a Ray job, and says where everything is. Ctrl-C or SIGTERM ends all of it.
"""

import fcntl
import math
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from app.config import ConfigError, default_home, ensure_secrets
from app.config.files import PROJECT
from app.config.places import make_private
from app.config.secrets import ensure_private
from deployments import mlflow_database
from deployments.announcement import KnowledgeBase, announce, write_facts
from deployments.plan import LAPTOP, LOGICAL_CPUS, LOOPBACK, Plan, make_plan
from deployments.processes import Child, Supervisor, adopt_orphans
from deployments.waiting import StartFailed, Waiting, all_up, answers, finished

console = Console(highlight=False)
PYTHON = sys.executable
# How long the start waits for what requests can do without, MLflow and its prompts.
OPTIONAL_S = 120.0
# How long the announcement waits for documents. A few are in by then; many are ingested beside the running stack.
GRACE_S = 10.0
DEFAULT_DOCUMENTS = (PROJECT / "docs", PROJECT / "README.md")


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
        self._waiting = Waiting(console, self._check)
        self._has_mlflow = False  # and its end would be news
        self._knowledge_base: KnowledgeBase = "ingesting"

    def start(self) -> None:
        """Bring everything up: whatever requests need, and as far as it comes what they can do without.

        Raises StartFailed.
        """
        ports = self._plan.ports
        mlflow = self._mlflow()
        self._ray()
        self._waiting.require("Ray", answers(f"{ports.dashboard_url}/api/version", {200, 401, 403}))
        serve = self._run("serve", ["serve", "run", str(self._plan.serve_file)], essential=True)
        self._job("ingest", "jobs.ingest", *map(str, self._documents))
        self._publish_prompts(mlflow)
        self._waiting.require("gateway, guard, cache, retriever, model", all_up(f"{ports.base_url}/readyz"), serve)
        self._follow_ingest(GRACE_S)
        announce(console, self._plan, self._waiting.seconds, self._knowledge_base)

    def watch(self) -> None:
        """Return only by an exception: Stop, or StartFailed when something essential has ended."""
        if self._knowledge_base == "ingesting":
            self._follow_ingest(math.inf)
            write_facts(self._plan, self._knowledge_base)
        while True:
            self._check()
            time.sleep(0.5)

    def _mlflow(self) -> Child:
        home = self._plan.home / "mlflow"
        home.mkdir(exist_ok=True)
        command = [PYTHON, "-m", "deployments.mlflow_database", PYTHON, "-m", "mlflow", "server"]
        command += ["--host", LOOPBACK, "--port", str(self._plan.ports.mlflow), "--workers", "1"]
        command += ["--artifacts-destination", str(home / "artifacts")]
        return self._run("mlflow", command, {mlflow_database.ADDRESS: f"{mlflow_database.SQLITE}{home / 'mlflow.db'}"})

    def _publish_prompts(self, mlflow: Child) -> None:
        """Requests do without MLflow, and with the files of the prompts: no trouble here ends the stack."""
        problem = self._waiting.until("MLflow", answers(f"{self._plan.ports.mlflow_url}/health"), mlflow, OPTIONAL_S)
        if problem:
            _warn(f"MLflow: {problem}", "The stack goes on without: traces are dropped, prompts come from their files.")
        self._has_mlflow = mlflow.process.poll() is None
        if problem:
            return
        prompts = self._run("prompts", [PYTHON, "-m", "jobs.publish_prompts"])
        problem = self._waiting.until("prompts in MLflow's registry", finished(prompts), prompts, OPTIONAL_S)
        if problem:
            _warn(f"prompts: {problem}", "The registry's are served as they were, else the files.")

    def _follow_ingest(self, limit_s: float) -> None:
        """Wait for the documents, `limit_s` seconds at most. What is stored already can be asked for meanwhile."""
        ingest = self.supervisor.named("ingest")
        problem = self._waiting.until("knowledge base", finished(ingest), ingest, limit_s)
        if not problem:
            self._knowledge_base = "ready"
        elif ingest.process.poll():  # not 0: it may have ended well since
            self._knowledge_base = "failed"
            again = f"SEXTANT_HOME={self._plan.home} make ingest DOCS='{' '.join(map(str, self._documents))}'"
            _warn(
                f"knowledge base: {problem}",
                f"The stack goes on with the documents that it had before. Mend what is told there, then: {again}",
            )

    def _ray(self) -> None:
        directory, ports = self._plan.ray_directory, self._plan.ports
        shutil.rmtree(directory, ignore_errors=True)  # the logs of earlier sessions
        remove_haproxy_files(self._plan)
        command = ["ray", "start", "--head", "--block"]
        command += ["--port", str(ports.gcs), "--dashboard-port", str(ports.dashboard)]
        command += ["--ray-client-server-port", str(ports.ray_client)]
        command += ["--dashboard-agent-listen-port", str(ports.agent)]
        command += ["--num-cpus", str(LOGICAL_CPUS), "--object-store-memory", str(256 * 1024**2)]
        command += ["--temp-dir", str(directory), "--disable-usage-stats"]
        # Ray's own processes must not look for a cluster to join.
        self._run("ray", command, {"RAY_ADDRESS": None}, essential=True)

    def _job(self, name: str, module: str, *arguments: str) -> Child:
        submit = ["ray", "job", "submit", "--address", self._plan.ports.dashboard_url, "--log-style", "record"]
        return self._run(name, [*submit, "--", PYTHON, "-m", module, *arguments])

    def _run(
        self,
        name: str,
        command: list[str],
        changes: Mapping[str, str | None] = {},
        *,
        essential: bool = False,
    ) -> Child:
        """Start a process in the stack's environment with `changes`; None takes a variable out."""
        environment = {**self._plan.environment, **changes}
        kept = {name: value for name, value in environment.items() if value is not None}
        return self.supervisor.start(name, command, kept, essential=essential)

    def _check(self) -> None:
        """Raises StartFailed when something essential has ended; tells once when MLflow has."""
        fallen = self.supervisor.fallen()
        if fallen:
            raise StartFailed(f"{fallen.name} {fallen.last_words()}")
        mlflow = self.supervisor.named("mlflow")
        if self._has_mlflow and mlflow.process.poll() is not None:
            self._has_mlflow = False
            console.print(f"[yellow]![/] MLflow has ended; traces are dropped. See {mlflow.log}")


def _warn(problem: str, consequence: str) -> None:
    # A log's end may hold what looks like markup.
    console.print(f"[yellow]![/] {escape(problem)}\n  {escape(consequence)}", soft_wrap=True)


def remove_haproxy_files(plan: Plan) -> None:
    """Configurations, sockets and logs of earlier sessions: each has left a folder with its node's name."""
    for folder in plan.haproxy_directory.iterdir() if plan.haproxy_directory else ():
        shutil.rmtree(folder, ignore_errors=True)


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
        plan = prepare(place, port, model or None, config, usual_ports=usual_ports)
        laptop = Laptop(plan, documents)
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
            if code == 0:  # else HAProxy's logs may say why
                remove_haproxy_files(plan)
            console.print("Stopped; no process is left.")
            lock.close()
    raise typer.Exit(code)


if __name__ == "__main__":
    typer.run(main)
