"""Front matter: what a Markdown file says of itself, in YAML between two `---` lines at the top."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import yaml

from app.ingest.attributes import read_groups, read_metadata, refuse_misplaced_groups
from app.ingest.document import UnclearGroups
from app.retrieval.types import MetadataValue

MAX_LINES = 1000
_FIELDS = frozenset({"title", "groups", "metadata"})
_NAMES_GROUPS = re.compile(r"\s*[\"']?groups[\"']?\s*:", re.IGNORECASE)
_FIELD = re.compile(r"[\"']?[\w ./@-]{1,100}[\"']?:(?:\s|$)|[{?]")
_BELOW_FIELDS = re.compile(r"\s|#|-\s|[\]}]|$")  # blank, indented, comments, items, the end of a mapping in braces


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """`title` is "" where there is none."""

    title: str = ""
    groups: tuple[str, ...] = ()
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)


def split_front_matter(text: str) -> tuple[FrontMatter, str]:
    """Front matter and body. What looks like it and is no YAML mapping is body: a rule above a paragraph looks so.

    Blank lines may stand above it. Raises UnclearGroups when it names groups and cannot be read, names them where they
    are not read, or has more than `MAX_LINES` lines: the document would be seen by everybody.
    """
    blank = len(text) - len(text.lstrip())
    first, _, below = text[text.rfind("\n", 0, blank) + 1 :].partition("\n")
    if first.rstrip() != "---":
        return FrontMatter(), text
    lines = below.split("\n")
    end = next((at for at, line in enumerate(lines) if line.rstrip() in ("---", "...")), None)
    matter = _load("\n".join(lines[:end])) if end is not None and end <= MAX_LINES else None
    if end is None or matter is None:
        _refuse_unread(lines, end)
        return FrontMatter(), text
    refuse_misplaced_groups(matter)
    named = matter.get("metadata")
    own = {key: value for key, value in matter.items() if key not in _FIELDS}
    found = FrontMatter(
        title=str(read_metadata({"title": matter.get("title")}).get("title", "")),
        groups=read_groups(matter.get("groups")),
        metadata=read_metadata({**own, **(named if isinstance(named, dict) else {})}),
    )
    return found, "\n".join(lines[end + 1 :])


def _refuse_unread(lines: list[str], end: int | None) -> None:
    """Raises UnclearGroups where what was not read may say who may see the document."""
    names_groups = any(map(_NAMES_GROUPS.match, _unended(lines) if end is None else lines[:end]))
    if end is not None and end > MAX_LINES:
        top = next((line for line in lines if line.strip() and not line.startswith("#")), "")
        if names_groups or _FIELD.match(top):
            raise UnclearGroups(f"its front matter has more than {MAX_LINES:,} lines")
    if names_groups:
        raise UnclearGroups("its front matter names groups and cannot be read")


def _unended(lines: list[str]) -> list[str]:
    """What may be front matter where nothing ends it: the first paragraph, and fields below it. Further down stands
    text, which may tell of groups."""
    blank = next((at for at, line in enumerate(lines) if not line.strip()), len(lines))
    return [*lines[:blank], *takewhile(lambda line: _FIELD.match(line) or _BELOW_FIELDS.match(line), lines[blank:])]


def _load(source: str) -> dict[Any, Any] | None:
    try:
        matter = yaml.safe_load(source)
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: a date that does not exist
        return None
    return matter if isinstance(matter, dict) else None
