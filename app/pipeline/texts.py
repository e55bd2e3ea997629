"""Where a person's words stand in a request: the places that the guard reads and rewrites."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from app.guard.screening import Speaker
from app.pipeline.arguments import Source

SPEAKERS: dict[str, Speaker] = {"user": "user", "tool": "tool"}


@dataclass(frozen=True, slots=True)
class Place:
    """One field of a body, or one element of a list. `is_json`: it holds JSON source (tool arguments), whose words are
    read one by one. `by`: whose words they are."""

    holder: Any
    key: Any
    is_json: bool = False
    by: Speaker = "user"

    def read(self) -> list[str]:
        """The texts in this place."""
        value: str = self.holder[self.key]
        return Source(value).texts if self.is_json else [value]

    def write(self, texts: Sequence[str]) -> None:
        """Put other texts in, in the order of `read`. Unchanged JSON keeps its spelling."""
        self.holder[self.key] = Source(self.holder[self.key]).with_texts(texts) if self.is_json else texts[0]


def places(body: dict[str, Any]) -> Iterator[Place]:
    """All places of a body, in order. What ends an answer (`stop`) is no part of the prompt, and comes last."""
    yield from prompt_places(body)
    stop = body.get("stop")
    if isinstance(stop, str):
        yield Place(body, "stop", by="other")
    elif stop:
        yield from (Place(stop, index, by="other") for index in range(len(stop)))


def prompt_places(body: dict[str, Any]) -> Iterator[Place]:
    """The places of what a model reads."""
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
