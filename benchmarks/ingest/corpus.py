"""Real documents: what the packages that are installed here brought along. Read at run time, never copied elsewhere."""

import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.ingest.document import UnreadableDocument
from app.ingest.duplicates import DuplicateFinder
from app.ingest.parse import parse_bytes
from app.ingest.signature import sign
from benchmarks.errors import BenchmarkFailed

# Licences and package descriptions have no suffix; their text is what it is.
_WITHOUT_SUFFIX = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS", "METADATA", "README", "CHANGES", "CHANGELOG")
_SUFFIXES = (".py", ".pyi", ".md", ".rst", ".txt", ".html", ".js", ".toml", ".yaml", ".sql")
# Below there is hardly a passage; above a few files would be most of the work.
LEAST_BYTES, MOST_BYTES = 400, 20_000
MOST_CODE = 0.6  # of the documents; the rest is prose where there is enough of it


@dataclass(frozen=True)
class Corpus:
    """Files in one folder. No two of them say the same, so that who leaves duplicates out has nothing to leave out."""

    folder: Path
    documents: int
    characters: int


def build(folder: Path, count: int, seed: int) -> Corpus:
    """Write `count` documents into the folder. Raises BenchmarkFailed when there are not so many."""
    candidates = list(_candidates(Path(sys.prefix)))
    random.Random(seed).shuffle(candidates)  # noqa: S311 - a choice of files, which must be the same each time
    prose = [path for path in candidates if path.suffix not in (".py", ".pyi", ".js")]
    code = [path for path in candidates if path.suffix in (".py", ".pyi", ".js")]
    least_code = max(count - len(prose), 0)
    finder = DuplicateFinder()
    characters = taken = 0
    for path in _mixed(prose, code, max(MOST_CODE, least_code / count)):
        if taken == count:
            break
        name = f"{taken:05}-{path.stem[:60]}{path.suffix if path.suffix in _SUFFIXES else '.txt'}"
        try:
            data = path.read_bytes()
            document = parse_bytes(data, name)
        except (OSError, UnreadableDocument):
            continue
        if finder.find(name, (), sign(document)) is None:
            (folder / name).write_bytes(data)
            characters += len(document.text)
            taken += 1
    if taken < count:
        raise BenchmarkFailed(f"only {taken} different documents are installed here, not {count}; pass --documents")
    return Corpus(folder, taken, characters)


def _candidates(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        named = path.suffix in _SUFFIXES or path.name.upper().startswith(_WITHOUT_SUFFIX)
        if named and path.is_file() and LEAST_BYTES <= path.stat().st_size <= MOST_BYTES:
            yield path


def _mixed(prose: list[Path], code: list[Path], share_of_code: float) -> Iterator[Path]:
    """Both kinds in turn, so that any number of documents has this share; what is left of one at the end."""
    queues = [iter(prose), iter(code)]
    credit = 0.0
    while queues:
        credit += share_of_code
        at = 1 if credit >= 1 and len(queues) == 2 else 0
        credit -= at
        path = next(queues[at], None)
        if path is None:
            del queues[at]
            continue
        yield path
