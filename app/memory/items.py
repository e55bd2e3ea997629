"""Messages of a chat request as items of a conversation, and back.

Items are those of OpenAI's Responses, which are finer than messages: what an assistant said and called in one turn is
one message, and an item for each. A row is an item, so that each can be listed and deleted by its id.
"""

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from app.memory.tokens import OF_A_MESSAGE, estimate
from app.memory.types import Item, Message, NewItem, Turn

MESSAGE, CALL, OUTPUT = "message", "function_call", "function_call_output"
PREFIXES = {MESSAGE: "msg", CALL: "fc", OUTPUT: "fco"}
INSTRUCTING = ("system", "developer")
Content = dict[str, Any]


class HasContent(Protocol):
    """An item that is kept, or is to be."""

    @property
    def role(self) -> str: ...

    @property
    def content(self) -> Mapping[str, Any]: ...


def new_item(role: str, content: Content, item_id: str | None = None) -> NewItem:
    """An item that is to be added, with an id of its own unless it has one."""
    item_id = item_id or f"{PREFIXES[content['type']]}_{uuid.uuid4().hex}"
    return NewItem(item_id, role, content, OF_A_MESSAGE + sum(map(estimate, texts_of(content))))


def items_of(messages: Iterable[Message], answer_id: str | None = None) -> list[NewItem]:
    """`answer_id`: the messages are an answer, and its items get the ids that the Responses route tells."""
    contents = [each for message in messages for each in _contents(message)]
    return [
        new_item(role, content, answer_id and f"{'fc' if content['type'] == CALL else 'msg'}_{answer_id}_{index}")
        for index, (role, content) in enumerate(contents)
    ]


def messages_of(items: Iterable[HasContent]) -> list[Message]:
    """What a model reads of them."""
    messages: list[Message] = []
    for item in items:
        content = item.content
        if content["type"] == OUTPUT:
            messages.append({"role": "tool", "tool_call_id": content["call_id"], "content": content["output"]})
        elif content["type"] == CALL:
            function = {"name": content["name"], "arguments": content["arguments"]}
            call = {"id": content["call_id"], "type": "function", "function": function}
            last = messages[-1] if messages else None
            if last is None or last["role"] != "assistant":
                messages.append({"role": "assistant", "tool_calls": [call]})
            else:
                last.setdefault("tool_calls", []).append(call)
        else:
            said = {name: content[name] for name in ("content", "refusal") if content.get(name) is not None}
            messages.append({"role": item.role, **said})
    return messages


def turns_of(items: Sequence[Item]) -> list[Turn]:
    """Items, in order, as turns. One begins with each user's words that do not follow a user's own."""
    turns: list[list[Item]] = []
    before = ""
    for item in items:
        if not turns or (item.role == "user" and before != "user"):
            turns.append([])
        turns[-1].append(item)
        before = item.role
    return [Turn(tuple(turn)) for turn in turns]


def paired(items: Sequence[Item], answered: Collection[str] = ()) -> list[Item]:
    """Items without calls that nobody answered and answers to no call: providers refuse both. `answered`: ids of calls
    whose answers come with the request."""
    calls = {item.content["call_id"] for item in items if item.content["type"] == CALL}
    outputs = {item.content["call_id"] for item in items if item.content["type"] == OUTPUT} | set(answered)
    partners = {CALL: outputs, OUTPUT: calls}
    return [
        item
        for item in items
        if item.content["type"] not in partners or item.content["call_id"] in partners[item.content["type"]]
    ]


def texts_of(content: Mapping[str, Any]) -> list[str]:
    """Everything in an item that somebody wrote."""
    names = {CALL: ("name", "arguments"), OUTPUT: ("output",)}.get(content["type"], ("content", "refusal"))
    return [content[name] for name in names if content.get(name)]


def with_texts(content: Mapping[str, Any], change: Callable[[str], str], in_json: Callable[[str], str]) -> Content:
    """The same item with its texts changed; `in_json`: those that are JSON source."""
    changed = dict(content)
    for name in ("content", "refusal", "output", "arguments"):
        if changed.get(name):
            changed[name] = (in_json if name == "arguments" else change)(changed[name])
    return changed


def item_object(item_id: str, role: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """An item as OpenAI's clients read it."""
    if content["type"] != MESSAGE:
        return {"id": item_id, "status": "completed", **content}
    parts: list[dict[str, Any]] = []
    if content.get("content") is not None:
        text = {"text": content["content"]}
        said = {"type": "output_text", **text, "annotations": [], "logprobs": []}
        parts.append(said if role == "assistant" else {"type": "input_text", **text})
    if content.get("refusal") is not None:
        parts.append({"type": "refusal", "refusal": content["refusal"]})
    return {"id": item_id, "type": MESSAGE, "status": "completed", "role": role, "content": parts}


def _contents(message: Message) -> Iterator[tuple[str, Content]]:
    role = message["role"]
    if role == "tool":
        yield role, {"type": OUTPUT, "call_id": message["tool_call_id"], "output": message["content"]}
        return
    for name in ("content", "refusal"):
        # An empty text is an item only where there is no other.
        if message.get(name) or (name == "content" and message.get(name) is not None and not _more(message)):
            yield role, {"type": MESSAGE, name: message[name]}
    for call in message.get("tool_calls") or ():
        function = call["function"]
        arguments = function.get("arguments") or ""
        yield role, {"type": CALL, "call_id": call["id"], "name": function["name"], "arguments": arguments}


def _more(message: Message) -> bool:
    return bool(message.get("refusal") or message.get("tool_calls"))
