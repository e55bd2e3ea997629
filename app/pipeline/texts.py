"""Where a person's words stand in a request: the places that the guard reads and rewrites."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from app.errors import InvalidRequest
from app.guard.screening import Speaker
from app.wire.parse import parse_json

MAX_ARGUMENT_DEPTH = 32
# As a function's author names its parameters: to take "jordan" or "april" for a person there would break the call. More
# digits than these are an IBAN, or a key.
_IDENTIFIER = re.compile(r"[A-Za-z_.-]{1,48}[0-9]{0,3}")
SPEAKERS: dict[str, Speaker] = {"user": "user", "tool": "tool"}


@dataclass(frozen=True, slots=True)
class Place:
    """One field of a body. `is_json`: it holds JSON source (tool arguments), whose strings and numbers
    are read one by one, since that is how an engine reads them: escapes would hide them otherwise,
    and a number cannot be masked where it stands without breaking the JSON. Names of its fields are read, too, where
    they are no identifiers: {"ann@example.org": 3}. `by`: whose words they are."""

    holder: Any
    key: Any
    is_json: bool = False
    by: Speaker = "user"

    def read(self) -> list[str]:
        """The texts in this place."""
        value: str = self.holder[self.key]
        parsed = self._parsed()
        return [value] if parsed is None else [leaf.text for leaf in _leaves(parsed)]

    def write(self, texts: Sequence[str]) -> None:
        """Put other texts in, in the order of `read`. Unchanged JSON keeps its spelling."""
        parsed = self._parsed()
        if parsed is None:
            self.holder[self.key] = texts[0]
            return
        leaves = zip(_leaves(parsed), texts, strict=True)
        changed = [(leaf, text) for leaf, text in leaves if leaf.text != text]
        # Backwards: a field's name comes before its value, which is found by the old one.
        for leaf, text in reversed(changed):
            leaf.write(text)
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


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A string or number of a JSON value, or the name of a field."""

    holder: Any
    key: Any
    is_name: bool = False

    @property
    def text(self) -> str:
        return str(self.key if self.is_name else self.holder[self.key])

    def write(self, text: str) -> None:
        if not self.is_name:
            self.holder[self.key] = text
            return
        while text in self.holder:  # two e-mail addresses of an answer are both "[EMAIL_ADDRESS]"
            text += "_"
        renamed = {text if name == self.key else name: value for name, value in self.holder.items()}
        self.holder.clear()
        self.holder.update(renamed)


def _leaves(container: dict[str, Any] | list[Any]) -> Iterator[_Leaf]:
    """Depth first."""
    items = container.items() if isinstance(container, dict) else enumerate(container)
    for key, value in items:
        if isinstance(key, str) and not _IDENTIFIER.fullmatch(key):
            yield _Leaf(container, key, is_name=True)
        if isinstance(value, dict | list):
            yield from _leaves(value)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield _Leaf(container, key)
