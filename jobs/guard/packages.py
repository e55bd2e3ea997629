"""Harmless texts that nobody wrote for this: descriptions and documentation of installed packages, and of Python's
library.

They are read where they lie when a model is trained, and are stored nowhere. Only packages under permissive licences
are read. A hash of a package's name decides whether it trains or measures.
"""

import ast
import hashlib
import importlib.metadata
import random
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

_PERMISSIVE = re.compile(
    r"\b(?:mit|bsd|apache|isc|psf|python software foundation|0bsd|mit-0|unlicense)\b", re.IGNORECASE
)
_OTHER = re.compile(r"\b(?:l?a?gpl\w*|gnu|mpl\w*|mozilla|proprietary|eula|intel|nvidia)\b", re.IGNORECASE)
# What is about attacks on models quotes them, and is no test of ordinary texts.
_ABOUT_ATTACKS = re.compile(r"guard|garak|pyrit|spikee|gauntlet|jailbreak|injection|redteam|prism", re.IGNORECASE)
_SHORTEST = 300  # characters
HELD_BACK = 60  # packages at the most
_FILES = 40  # of a package, for its documentation


def descriptions(held_back: bool, most: int = 4_000) -> dict[str, str]:
    """Package -> the first `most` characters of its description; of those that train, or of those that measure."""
    found: dict[str, str] = {}
    for name, package in _packages(held_back):
        meta = package.metadata
        text = str(meta.get_payload() or _first(meta, "Description")).strip()  # type: ignore[attr-defined]  # a Message
        if len(text) >= _SHORTEST:
            found[name] = text[:most]
    chosen = sorted(found)
    return {name: found[name] for name in (chosen[:HELD_BACK] if held_back else chosen)}


def library_documentation(most: int, seed: int) -> list[str]:
    """Documentation of modules, classes and functions in Python's standard library (PSF licence)."""
    texts: dict[str, None] = {}
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        texts |= dict.fromkeys(_documentation(path))
    return random.Random(seed).sample(list(texts), min(most, len(texts)))  # noqa: S311 (no secrets)


def package_documentation(most: int, seed: int) -> list[tuple[str, str]]:
    """(package, documentation of a module, class or function), of those packages that train."""
    draw = random.Random(seed)  # noqa: S311 (no secrets)
    texts: dict[str, str] = {}
    for name, package in sorted(_packages(held_back=False), key=lambda pair: pair[0]):
        files = sorted(str(package.locate_file(file)) for file in package.files or () if file.suffix == ".py")
        for path in draw.sample(files, min(_FILES, len(files))):
            for text in _documentation(Path(path)):
                texts.setdefault(text, name)
    return draw.sample([(name, text) for text, name in texts.items()], min(most, len(texts)))


def _packages(held_back: bool) -> Iterator[tuple[str, importlib.metadata.Distribution]]:
    """Those that train, or those that measure, by name."""
    for package in importlib.metadata.distributions():
        name = _first(package.metadata, "Name").lower()
        if not name or _ABOUT_ATTACKS.search(name) or _is_held_back(name) != held_back:
            continue
        if _is_permissive(package.metadata):
            yield name, package


def _documentation(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):  # a template, or code of another Python
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node)
            if text and len(text) > 60:
                yield text[:1_500]


def _first(meta: importlib.metadata.PackageMetadata, field: str) -> str:
    # Asked for by `[]`, a field that is missing is None or a KeyError, as the `importlib_metadata` of the day has it.
    return str((meta.get_all(field) or [""])[0])


def _is_held_back(name: str) -> bool:
    return hashlib.sha256(f"package {name}".encode()).digest()[0] % 10 < 3


def _is_permissive(meta: importlib.metadata.PackageMetadata) -> bool:
    classifiers = [one for one in meta.get_all("Classifier") or [] if one.startswith("License")]
    expressions, named = meta.get_all("License-Expression") or [], meta.get_all("License") or []
    licence = " ".join([*expressions, *(text[:60] for text in named), *classifiers])
    return bool(_PERMISSIVE.search(licence)) and not _OTHER.search(licence)
