"""Where a page of groups ends, as a query parameter: the group itself, so that no row can move the place."""

import base64
import json
from collections.abc import Mapping
from typing import Any


def cursor_of(group: Mapping[str, Any]) -> str:
    """A place behind this group."""
    text = json.dumps(dict(group), ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode()


def group_of(cursor: str) -> dict[str, Any]:
    """The group. Raises ValueError for what `cursor_of` has not made; values may be anything that JSON holds."""
    try:
        text = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
        group = json.loads(text)
        json.dumps(group, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        group = None
    if not isinstance(group, dict):
        raise ValueError("give what the link to the next page holds")
    return group
