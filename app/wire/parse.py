"""From the bytes of a body to a validated request, or to an `InvalidRequest` that says where it is wrong."""

from collections.abc import Iterable
from typing import Any, TypeVar

import orjson
from pydantic import ValidationError

from app.errors import InvalidRequest
from app.wire.base import Wire

# Listing more would take seconds, in which this process does nothing else.
MAX_PROBLEMS = 1000

Request = TypeVar("Request", bound=Wire)


def parse_request(kind: type[Request], body: bytes, max_depth: int) -> Request:
    """Decode and validate. Raises InvalidRequest."""
    content = parse_json(body, max_depth)
    if not isinstance(content, dict):
        raise InvalidRequest("The body must be a JSON object.")
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise describe(error) from None


def parse_json(body: bytes, max_depth: int) -> Any:
    """Strict JSON: UTF-8, no NaN, no lone surrogates, bounded depth. Raises InvalidRequest."""
    if not body:
        raise InvalidRequest("The body is empty; send a JSON object.")
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error.msg} (position {error.pos}).") from None
    if _deeper_than(content, max_depth):
        raise InvalidRequest(f"The body is nested deeper than {max_depth} levels.")
    return content


def describe(error: ValidationError) -> InvalidRequest:
    """The first problem, as OpenAI tells it: a sentence and the parameter's path."""
    if error.error_count() > MAX_PROBLEMS:
        return InvalidRequest(f"The body breaks the rules of this route in more than {MAX_PROBLEMS:,} places.")
    # Of a union's branches the one that got furthest into the value tells the most, and then one
    # that took the value's type: "a valid string" is no help for a list that is too long.
    items = error.errors(include_url=False, include_input=False)
    item = max(items, key=lambda e: (len(e["loc"]), not e["type"].endswith("_type")))
    param = _param(item["loc"])
    if item["type"] == "extra_forbidden":
        # The last part is the client's own word, also where it looks like a branch.
        param = ".".join(filter(None, (_param(item["loc"][:-1]), str(item["loc"][-1]))))
        return InvalidRequest(f"Unknown parameter: '{param}'.", param=param)
    if item["type"] == "missing":
        return InvalidRequest(f"Missing required parameter: '{param}'.", param=param)
    message = item["msg"].removeprefix("Value error, ").rstrip(".")
    return InvalidRequest(f"'{param}': {message}." if param else f"{message}.", param=param or None)


def _param(location: tuple[str | int, ...]) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif _is_branch(part):
            continue
        else:
            path += f".{part}" if path else part
    return path


def _is_branch(part: str) -> bool:
    """pydantic puts a union's branch into the location: `str`, `list[TextPart]`, `constrained-str`."""
    return "[" in part or part in {"str", "constrained-str", "NamedFunction", "ConversationReference"}


def _deeper_than(content: Any, limit: int) -> bool:
    """Whether containers nest deeper than `limit`. Walks level by level, so no recursion."""
    level = _containers([content])
    for _ in range(limit):
        level = [child for item in level for child in _containers(_children(item))]
        if not level:
            return False
    return bool(level)


def _children(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, dict | list)]
