"""Lines of JSON as commands read them."""

import json
from typing import Any


def object_of(raw: bytes | str, longest: int) -> dict[str, Any]:
    """The object in a line of at most `longest` bytes, or characters. Raises ValueError with what is wrong; an empty
    object stands for JSON that is none, so that the caller says which fields it wants."""
    if len(raw) > longest:
        raise ValueError("the line is too long")
    try:
        content = json.loads(raw if isinstance(raw, str) else raw.decode())
    except (ValueError, RecursionError):
        raise ValueError("the line is no JSON") from None
    return content if isinstance(content, dict) else {}
