"""Changing the text of an answer as it passes: marks, and the guard's placeholders."""

from collections.abc import Callable, Collection, Iterator
from typing import Any, Protocol

# What a model can generate beside its text; providers name reasoning one way or the other.
SPOKEN = ("refusal", "reasoning_content", "reasoning")


class TextFilter(Protocol):
    """Takes text in pieces and gives it back changed, possibly later."""

    def feed(self, text: str) -> str: ...

    def flush(self) -> str: ...


class OutputFilter:
    """Applies text filters to the choices of an answer, streamed or whole.

    One filter for each choice's content and, if asked for, for each tool call's arguments, and for each field that
    was said beside the content.
    """

    def __init__(
        self,
        content: Callable[[], TextFilter],
        arguments: Callable[[], TextFilter] | None = None,
        spoken: Callable[[], TextFilter] | None = None,
    ) -> None:
        self._make = {"content": content, "arguments": arguments, "spoken": spoken}
        self._filters: dict[tuple[Any, ...], TextFilter] = {}

    def chunk(self, chunk: dict[str, Any]) -> dict[str, Any]:
        """Change a chunk of a stream, in place. What is held back comes with the choice's end."""
        for choice in chunk.get("choices") or ():
            ended, has_text = choice.get("finish_reason") is not None, content_of(choice) != ""
            for kind, path, holder, field in _texts(choice):
                self._apply(kind, path, holder, field, ended=ended)
            if ended:
                self._release(choice)
            elif (choice.get("delta") or {}).get("tool_calls"):
                # The text is over once a call begins; what is held back belongs before it.
                self._release(choice, ("content", "spoken"))
            elif has_text:
                self._release(choice, ("spoken",))  # as reasoning is once there is text
        return chunk

    def answer(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Change a whole answer, in place."""
        for choice in answer.get("choices") or ():
            for kind, path, holder, field in _texts(choice):
                self._apply(kind, path, holder, field, ended=True)
        return answer

    def _apply(self, kind: str, path: tuple[Any, ...], holder: Any, field: str, *, ended: bool) -> None:
        make = self._make[kind]
        if make is None:
            return
        text_filter = self._filters.get(path)
        if text_filter is None:
            text_filter = self._filters[path] = make()
        holder[field] = text_filter.feed(holder[field]) + (text_filter.flush() if ended else "")

    def _release(self, choice: dict[str, Any], kinds: Collection[str] = ("content", "arguments", "spoken")) -> None:
        """Give out what filters of these kinds still hold, though the chunk carries no text for them."""
        index = choice.get("index", 0)
        for path, text_filter in self._filters.items():
            if path[0] != index or path[1] not in kinds or not (held := text_filter.flush()):
                continue
            if path[1] == "content":
                holder, field = _content(choice, create=True)
                holder[field] = (holder.get(field) or "") + held
            elif path[1] == "spoken":
                delta = choice.setdefault("delta", {})
                delta[path[2]] = (delta.get(path[2]) or "") + held
            else:
                calls = choice.setdefault("delta", {}).setdefault("tool_calls", [])
                calls.append({"index": path[2], "function": {"arguments": held}})


def _texts(choice: dict[str, Any]) -> Iterator[tuple[str, tuple[Any, ...], Any, str]]:
    """Each text of a choice: (kind, path that identifies its filter, container, key)."""
    index = choice.get("index", 0)
    holder, field = _content(choice)
    if holder.get(field):
        yield "content", (index, "content"), holder, field
    message = choice.get("delta") or choice.get("message") or {}
    for name in SPOKEN:
        if isinstance(said := message.get(name), str) and said:
            yield "spoken", (index, "spoken", name), message, name
    for position, call in enumerate(message.get("tool_calls") or ()):
        function = call.get("function") or {}
        if function.get("arguments"):
            path = (index, "arguments", call.get("index", position))
            yield "arguments", path, function, "arguments"


def _content(choice: dict[str, Any], *, create: bool = False) -> tuple[dict[str, Any], str]:
    """Where a choice's text stands: chat (delta or message) or text completion."""
    if "text" in choice:
        return choice, "text"
    if choice.get("message") is not None:
        return choice["message"], "content"
    if create:
        return choice.setdefault("delta", {}), "content"
    return choice.get("delta") or {}, "content"


def content_of(choice: dict[str, Any]) -> str:
    """The text of a choice, streamed or whole; empty where it has none."""
    holder, field = _content(choice)
    return holder.get(field) or ""
