"""What a document says of itself beside its text: who may see it, and fields to filter by."""

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.ingest.document import UnclearGroups, clean, one_line
from app.retrieval.types import MetadataValue

SOURCE = "_source"
"""Metadata field of a document that is a part of a file (a line of .jsonl): the file's name."""

MAX_GROUP_CHARACTERS = 128
MAX_FIELDS = 64
MAX_KEY_CHARACTERS = 128
MAX_VALUE_CHARACTERS = 2_000  # a longer one is text, and would be stored again with each passage

_ANYBODY = "*"  # what the stores write for documents without groups
_INTEGERS = range(-(2**63), 2**63)  # what the stores hold


@dataclass(frozen=True, slots=True)
class Attributes:
    """Groups and metadata. `groups` empty: everybody of the tenant may see it."""

    groups: tuple[str, ...] = ()
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)

    def under(self, run: "Attributes") -> "Attributes":
        """With what a whole run says: a document's own groups stand in place of the run's, never none of them; of a
        metadata field that both have, the document's value."""
        return Attributes(self.groups or run.groups, {**run.metadata, **self.metadata})


def read_groups(value: Any) -> tuple[str, ...]:
    """Names of groups, from a list or a text with commas; sorted, each once. None and empty lists: no groups.

    Raises UnclearGroups for anything else. A document whose groups cannot be understood must not be ingested: it
    would be seen by everybody.
    """
    if value is None:
        return ()
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise UnclearGroups("its groups are no list of names")
    read = {one_line(name) for name in names} - {""}
    if names and not read:
        raise UnclearGroups("its groups are blank")
    if any(name == _ANYBODY or len(name) > MAX_GROUP_CHARACTERS for name in read):
        raise UnclearGroups("its groups have a name that no group can have")
    return tuple(sorted(read))


def refuse_misplaced_groups(fields: Mapping[Any, Any]) -> None:
    """Raises UnclearGroups where a document names groups in a place that is not read: `Groups`, `metadata.groups`.

    `fields` are all that it says of itself. Only `groups` among them is read; see `read_groups`.
    """
    for key, value in fields.items():
        name = _folded(key)
        if name == "groups" and key != "groups":
            raise UnclearGroups(f"its groups stand in `{one_line(key)}`; write `groups`")
        if name == "metadata" and isinstance(value, Mapping) and "groups" in map(_folded, value):
            raise UnclearGroups(f"its groups stand in `{one_line(key)}`; write `groups` beside it, not in it")


def read_metadata(fields: Mapping[Any, Any]) -> dict[str, MetadataValue]:
    """The fields that hold one word, number, truth value or date. Others are left out: nothing can be asked of them."""
    metadata: dict[str, MetadataValue] = {}
    for key, value in fields.items():
        name = one_line(str(key))
        read = _value(value)
        if read is not None and 0 < len(name) <= MAX_KEY_CHARACTERS and name != SOURCE and len(metadata) < MAX_FIELDS:
            metadata[name] = read
    return metadata


def _folded(key: Any) -> str:
    return one_line(str(key)).casefold()


def _value(value: Any) -> MetadataValue | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value in _INTEGERS else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime.date | datetime.datetime):  # YAML makes them of 2026-11-29
        return value.isoformat()
    if isinstance(value, str) and len(value) <= MAX_VALUE_CHARACTERS:
        return clean(value).strip() or None
    return None
