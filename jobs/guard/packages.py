"""Harmless texts that nobody wrote for this: descriptions of installed packages, and documentation of Python's library.

They are read where they lie when a model is trained, and are stored nowhere. Only packages under permissive licences
are read. A hash of a package's name decides whether it trains or measures.
"""

import ast
import hashlib
import importlib.metadata
import random
import re
import sysconfig
from pathlib import Path

_PERMISSIVE = re.compile(
    r"\b(?:mit|bsd|apache|isc|psf|python software foundation|0bsd|mit-0|unlicense)\b", re.IGNORECASE
)
_OTHER = re.compile(r"\b(?:l?a?gpl\w*|gnu|mpl\w*|mozilla|proprietary|eula|intel|nvidia)\b", re.IGNORECASE)
# What is about attacks on models quotes them, and is no test of ordinary texts.
_ABOUT_ATTACKS = re.compile(r"guard|garak|pyrit|spikee|gauntlet|jailbreak|injection|redteam|prism", re.IGNORECASE)
_SHORTEST = 300  # characters
HELD_BACK = 60  # packages at the most


def descriptions(held_back: bool, most: int = 4_000) -> dict[str, str]:
    """Package -> the first `most` characters of its description; of those that train, or of those that measure."""
    found: dict[str, str] = {}
    for package in importlib.metadata.distributions():
        meta = package.metadata
        name = _first(meta, "Name").lower()
        if not name or _ABOUT_ATTACKS.search(name) or _is_held_back(name) != held_back or not _is_permissive(meta):
            continue
        text = str(meta.get_payload() or _first(meta, "Description")).strip()  # type: ignore[attr-defined]  # a Message
        if len(text) >= _SHORTEST:
            found[name] = text[:most]
    chosen = sorted(found)
    return {name: found[name] for name in (chosen[:HELD_BACK] if held_back else chosen)}


def library_documentation(most: int, seed: int) -> list[str]:
    """Documentation of modules, classes and functions in Python's standard library (PSF licence)."""
    texts: dict[str, None] = {}
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        tree = ast.parse(path.read_bytes())
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node)
                if text and len(text) > 60:
                    texts[text[:1_500]] = None
    return random.Random(seed).sample(list(texts), min(most, len(texts)))  # noqa: S311 (no secrets)


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
