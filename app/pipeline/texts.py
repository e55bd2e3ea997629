"""Where a person's words stand in a request: the places that the guard reads and rewrites."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from app.errors import InvalidRequest
from app.guard.screening import Speaker
from app.wire.parse import parse_json

MAX_ARGUMENT_DEPTH = 32
SPEAKERS: dict[str, Speaker] = {"user": "user", "tool": "tool"}


@dataclass(frozen=True, slots=True)
class Place:
    """One field of a body. `is_json`: it holds JSON source (tool arguments), whose strings and numbers
    are read one by one, since that is how an engine reads them: escapes would hide them otherwise,
    and a number cannot be masked where it stands without breaking the JSON. `by`: whose words they are."""

    holder: Any
    key: Any
    is_json: bool = False
    by: Speaker = "user"

    def read(self) -> list[str]:
        """The texts in this place."""
        value: str = self.holder[self.key]
        parsed = self._parsed()
        return [value] if parsed is None else [str(leaf[key]) for leaf, key in _leaves(parsed)]

    def write(self, texts: Sequence[str]) -> None:
        """Put other texts in, in the order of `read`. Unchanged JSON keeps its spelling."""
        parsed = self._parsed()
        if parsed is None:
            self.holder[self.key] = texts[0]
            return
        changed = [
            (leaf, key, text)
            for (leaf, key), text in zip(_leaves(parsed), texts, strict=True)
            if str(leaf[key]) != text
        ]
        for leaf, key, text in changed:
            leaf[key] = text
        if changed:
            self.holder[self.key] = orjson.dumps(parsed).decode()

    def _parsed(self) -> dict[str, Any] | list[Any] | None:
        """The JSON container; None where the text is to be read as it is."""
        if not self.is_json:
            return None
        try:
            parsed = parse_json(self.holder[self.key].encode(), MAX_ARGUMENT_DEPTH)
        except (InvalidRequest, UnicodeEncodeError):
            return None
        return parsed if isinstance(parsed, dict | list) else None


def places(body: dict[str, Any]) -> Iterator[Place]:
    """All places of a body, in order."""
    if "messages" not in body:
        prompt = body["prompt"]
        if isinstance(prompt, str):
            yield Place(body, "prompt")
        else:
            yield from (Place(prompt, index) for index in range(len(prompt)))
        return
    for message in body["messages"]:
        by = SPEAKERS.get(message["role"], "other")
        yield from (Place(message, field, by=by) for field in ("content", "refusal") if message.get(field))
        for call in message.get("tool_calls") or ():
            yield Place(call["function"], "arguments", is_json=True, by=by)


def _leaves(container: dict[str, Any] | list[Any]) -> Iterator[tuple[Any, Any]]:
    """(container, key) of each string and number, depth first."""
    items = container.items() if isinstance(container, dict) else enumerate(container)
    for key, value in items:
        if isinstance(value, dict | list):
            yield from _leaves(value)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield container, key
