"""Front matter: what a Markdown file says of itself, in YAML between two `---` lines at the top."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from app.ingest.attributes import read_groups, read_metadata, refuse_misplaced_groups
from app.ingest.document import UnclearGroups
from app.retrieval.types import MetadataValue

_MAX_LINES = 200
_FIELDS = frozenset({"title", "groups", "metadata"})
_NAMES_GROUPS = re.compile(r"\s*[\"']?groups[\"']?\s*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """`title` is "" where there is none."""

    title: str = ""
    groups: tuple[str, ...] = ()
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)


def split_front_matter(text: str) -> tuple[FrontMatter, str]:
    """Front matter and body. What looks like it and is no YAML mapping is body: a rule above a paragraph looks so.

    Blank lines may stand above it. Raises UnclearGroups when it names groups and cannot be read, or names them
    where they are not read: the document would be seen by everybody.
    """
    blank = len(text) - len(text.lstrip())
    lines = text[text.rfind("\n", 0, blank) + 1 :].split("\n", _MAX_LINES)
    if lines[0].rstrip() != "---":
        return FrontMatter(), text
    end = next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() in ("---", "...")), None)
    matter = _load("\n".join(lines[1:end])) if end is not None else None
    if end is None or matter is None:
        # Without an end, a paragraph's: what stands below a rule is not all front matter.
        top = lines[1 : end or next((at for at, line in enumerate(lines) if not line.strip()), len(lines))]
        if any(map(_NAMES_GROUPS.match, top)):
            raise UnclearGroups("its front matter names groups and cannot be read")
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


def _load(source: str) -> dict[Any, Any] | None:
    try:
        matter = yaml.safe_load(source)
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: a date that does not exist
        return None
    return matter if isinstance(matter, dict) else None
