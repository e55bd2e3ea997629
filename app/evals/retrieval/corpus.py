"""The documents that the questions are about: text that every checkout has, read where it lies and copied nowhere.

- `docs/*.md` and `README.md` of this project;
- the long descriptions of the packages that `requirements/cpu.txt` pins: `packages/<distribution>.md`, or `.rst` where
  the package says that its description is reStructuredText (or says nothing: that is the default of the packaging
  specification, https://packaging.python.org/specifications/core-metadata/#description-content-type);
- docstrings of standard modules: `stdlib/<module>.rst`.
"""

import email
import hashlib
import importlib
import importlib.metadata
import inspect
import random
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from app.config.files import PROJECT
from app.ingest.document import ParsedDocument, UnreadableDocument
from app.ingest.parse import parse_bytes

LOCK = PROJECT / "requirements" / "cpu.txt"
SHORTEST = 500  # characters of a description; shorter ones say nothing that could be asked for
# Their descriptions repeat another package's nearly to the word, and a right passage would count as a wrong one.
COPIES = frozenset({"mlflow-skinny", "httpx2", "httpcore2"})
MODULES = tuple(
    "argparse bisect calendar collections configparser contextlib csv difflib filecmp fileinput fnmatch fractions "
    "functools glob graphlib hashlib heapq html itertools json linecache locale mimetypes netrc numbers operator "
    "pprint queue random reprlib sched secrets shelve shlex shutil statistics string tempfile textwrap timeit token "
    "tokenize trace uuid wave weakref".split()
)
# Large packages whose sources are further documents. None that a question of this set asks for a detail that its
# source would tell, and no standard modules, whose docstrings are documents already.
DISTRACTORS = ("sympy", "scipy", "sklearn", "pandas", "torch", "transformers", "vllm", "mlflow", "ray", "networkx")
DISTRACTOR_BYTES = (1_000, 40_000)
SEED = 20240

_PIN = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Document:
    """A document as ingestion gets it. The suffix of `name` says how it is parsed."""

    name: str
    data: bytes

    def parsed(self) -> ParsedDocument:
        """Raises UnreadableDocument."""
        return parse_bytes(self.data, self.name)


def documents() -> list[Document]:
    """All of them, by name."""
    found = [*project_documents(), *package_documents(), *stdlib_documents()]
    return sorted(found, key=lambda document: document.name)


def project_documents() -> Iterator[Document]:
    """This project's own documentation."""
    for path in (PROJECT / "README.md", *(PROJECT / "docs").glob("*.md")):
        yield Document(path.relative_to(PROJECT).as_posix(), path.read_bytes())


def package_documents() -> Iterator[Document]:
    """The descriptions of pinned packages, of those that are installed."""
    for name in sorted({normal(name) for name in _PIN.findall(LOCK.read_text(encoding="utf-8"))} - COPIES):
        try:
            content = importlib.metadata.distribution(name).read_text("METADATA")
        except importlib.metadata.PackageNotFoundError:
            continue
        metadata = email.message_from_string(content or "")
        text = str(metadata.get_payload() or metadata.get("Description") or "")
        if len(text) >= SHORTEST:
            suffix = "md" if "markdown" in str(metadata.get("Description-Content-Type")) else "rst"
            yield Document(f"packages/{name}.{suffix}", text.encode())


def normal(name: str) -> str:
    """A distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def stdlib_documents() -> Iterator[Document]:
    """Docstrings of modules, their public functions, classes and methods, each under a heading."""
    for name in MODULES:
        module = importlib.import_module(name)
        parts = [f"{name}\n{'=' * len(name)}", inspect.cleandoc(module.__doc__ or "")]
        for title, text in _docstrings(module):
            parts += [f"{title}\n{'-' * len(title)}", text]
        yield Document(f"stdlib/{name}.rst", "\n\n".join(parts).encode())


def _docstrings(module: ModuleType) -> Iterator[tuple[str, str]]:
    own = (module.__name__, f"_{module.__name__}")  # a part written in C says that it is of `_module`
    public = getattr(module, "__all__", None) or [
        name for name, thing in vars(module).items() if name[0] != "_" and getattr(thing, "__module__", None) in own
    ]
    for name in sorted(public):
        thing = getattr(module, name)
        if not (inspect.isclass(thing) or inspect.isroutine(thing)) or not thing.__doc__:
            continue
        yield name, inspect.cleandoc(thing.__doc__)
        for method, value in sorted(vars(thing).items()) if inspect.isclass(thing) else ():
            text = getattr(value, "__doc__", None)
            if not method.startswith("_") and inspect.isroutine(value) and isinstance(text, str):
                yield f"{name}.{method}", inspect.cleandoc(text)


def distractors(count: int) -> list[Document]:
    """`count` source files of installed packages, the same ones each time in one environment; fewer if need be."""
    if not count:
        return []  # looking for them takes a second
    paths = sorted(_sources())
    random.Random(SEED).shuffle(paths)  # noqa: S311 - which files stand beside the corpus is no secret
    found: list[Document] = []
    for name, path in paths:
        if len(found) >= count:
            break
        document = Document(f"sources/{name}", path.read_bytes())
        try:
            document.parsed()
        except UnreadableDocument:
            continue
        found.append(document)
    return found


def _sources() -> Iterator[tuple[str, Path]]:
    shortest, longest = DISTRACTOR_BYTES
    for entry in dict.fromkeys(sys.path):
        for package in DISTRACTORS:
            folder = Path(entry) / package
            if not entry or not (folder / "__init__.py").is_file():
                continue
            for path in folder.rglob("*.py"):
                if shortest <= path.stat().st_size <= longest:
                    yield path.relative_to(entry).as_posix(), path


def digest(given: Iterable[Document]) -> str:
    """Tells whether two runs had the same documents."""
    whole = hashlib.sha256()
    for document in given:
        whole.update(f"{document.name}\0{hashlib.sha256(document.data).hexdigest()}\n".encode())
    return whole.hexdigest()[:16]


def write(given: Iterable[Document], folder: Path) -> int:
    """Write the documents below a folder by their names, for ingestion into a running stack; returns how many."""
    written = 0
    for document in given:
        path = folder / document.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(document.data)
        written += 1
    return written
