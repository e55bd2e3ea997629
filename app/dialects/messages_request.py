"""A Messages request as a chat request."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Literal

import orjson

from app.dialects.chat import (
    Choice,
    chat_rules,
    content_of,
    given,
    named_tool,
    schema_format,
    tool,
    tool_call,
    tool_fields,
)
from app.wire.base import StreamOptions
from app.wire.chat import ChatRequest, Message, TextPart
from app.wire.messages import (
    ContentBlock,
    MessagesInput,
    MessagesRequest,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
)

CHOICES: dict[str, Literal["none", "auto", "required"]] = {"auto": "auto", "any": "required", "none": "none"}
FAILED = TextPart(type="text", text="The tool failed.")


def to_chat(request: MessagesRequest) -> ChatRequest:
    """Raises InvalidRequest for what breaks a rule of chat requests."""
    with chat_rules():
        return ChatRequest(
            max_completion_tokens=request.max_tokens,
            sextant=request.sextant,
            **given(
                temperature=request.temperature,
                top_p=request.top_p,
                top_k=request.top_k,
                stop=request.stop_sequences or None,
                stream=request.stream,
                stream_options=StreamOptions(include_usage=True) if request.stream else None,
                user=request.metadata.user_id if request.metadata else None,
            ),
            **_read_by_model(request),
        )


def to_count(request: MessagesInput) -> ChatRequest:
    """The chat request whose prompt is to be counted."""
    with chat_rules():
        return ChatRequest(**_read_by_model(request))


def _read_by_model(request: MessagesInput) -> dict[str, Any]:
    tools = [tool(t.name, t.description, t.input_schema, t.strict, t.cache_control) for t in request.tools or ()]
    wanted = request.output_config.format if request.output_config else None
    choice = request.tool_choice
    one_call = choice.disable_parallel_tool_use if choice else None
    return {
        "model": request.model,
        "messages": list(_messages(request)),
        **tool_fields(tools, _choice(request), None if one_call is None else not one_call),
        **given(response_format=schema_format("output", wanted.schema_, strict=True) if wanted else None),
        **given(cache_control=request.cache_control),
    }


def _choice(request: MessagesInput) -> Choice:
    choice = request.tool_choice
    if choice is None:
        return None
    return named_tool(choice.name) if choice.name is not None else CHOICES[choice.type]


def _messages(request: MessagesInput) -> Iterator[Message]:
    if request.system is not None:
        yield Message(role="system", content=content_of(request.system))
    for turn in request.messages:
        if isinstance(turn.content, str):
            yield Message(role=turn.role, content=turn.content)
        elif turn.role == "assistant":
            yield _said(turn.content)
        else:
            yield from _asked(turn.role, turn.content)


def _said(blocks: list[ContentBlock]) -> Message:
    texts = [block for block in blocks if isinstance(block, TextBlock)]
    calls = [
        tool_call(block.id, block.name, orjson.dumps(block.input).decode(), block.cache_control)
        for block in blocks
        if isinstance(block, ToolUseBlock)
    ]
    return Message(role="assistant", **given(content=content_of(texts) if texts else None, tool_calls=calls or None))


def _asked(role: Literal["user", "system"], blocks: list[ContentBlock]) -> Iterator[Message]:
    """In chat, results of tools are messages of their own; the texts between them stay where they are."""
    for kind, run in groupby(blocks, type):
        if kind is ToolResultBlock:
            yield from (_result(block) for block in run if isinstance(block, ToolResultBlock))
        else:
            yield Message(role=role, content=content_of([block for block in run if isinstance(block, TextBlock)]))


def _result(block: ToolResultBlock) -> Message:
    """Chat has no field for a tool's failure, so the model reads it."""
    content = content_of(block.content)
    if block.is_error:
        said = [TextPart(type="text", text=content)] if isinstance(content, str) else content
        content = [FAILED, *said]
    return Message(
        role="tool", tool_call_id=block.tool_use_id, content=content or "", cache_control=block.cache_control
    )
