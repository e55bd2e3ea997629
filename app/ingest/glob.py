"""Globs such as `docs/**/*.md`, matched against paths that were found by walking.

The standard library's own do not fit: fnmatch's `*` also matches "/", and glob's `**` follows symbolic
links, out of the folder or in circles.
"""

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import TypeVar

AnyPath = TypeVar("AnyPath", bound=PurePath)

_WILDCARD = re.compile(r"[*?\[]")
_SIGNS = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)  # a set such as [a-z], or one character


def split_glob(path: AnyPath) -> tuple[AnyPath, re.Pattern[str] | None]:
    """The folder in front of the first wildcard, and a pattern for the "/"-separated path below it.

    Without a wildcard: the path itself and None. Raises re.error when a set is wrong.
    """
    parts = path.parts
    fixed = next((at for at, part in enumerate(parts) if _WILDCARD.search(part)), len(parts))
    return type(path)(*parts[:fixed]), _pattern(parts[fixed:]) if fixed < len(parts) else None


def _pattern(parts: Sequence[str]) -> re.Pattern[str]:
    expression = ""
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        if part == "**":  # any number of folders, none too; at the end, everything in them
            expression += ".*" if last else "(?:.*/)?"
        else:
            expression += "".join(map(_sign, _SIGNS.findall(part))) + ("" if last else "/")
    return re.compile(expression, re.DOTALL)


def _sign(sign: str) -> str:
    if sign == "*":
        return "[^/]*"
    if sign == "?":
        return "[^/]"
    if len(sign) == 1:
        return re.escape(sign)
    inner = sign[1:-1].replace("\\", r"\\")
    return f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
