"""A Responses request as a chat request."""

from collections.abc import Sequence

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
from app.wire.chat import ChatRequest, Message, ResponseFormat
from app.wire.responses import (
    ChosenFunction,
    Format,
    FunctionCallItem,
    FunctionOutputItem,
    Item,
    ResponsesRequest,
    SchemaFormat,
)


def to_chat(request: ResponsesRequest) -> ChatRequest:
    """Raises InvalidRequest for what breaks a rule of chat requests."""
    with chat_rules():
        tools = [tool(t.name, t.description, t.parameters, t.strict) for t in request.tools or ()]
        return ChatRequest(
            model=request.model,
            messages=_messages(request),
            sextant=request.sextant,
            **given(
                temperature=request.temperature,
                top_p=request.top_p,
                max_completion_tokens=request.max_output_tokens,
                stream=request.stream,
                stream_options=StreamOptions(include_usage=True) if request.stream else None,
                response_format=_format(request.text.format) if request.text else None,
                metadata=request.metadata,
                conversation=request.conversation,
                user=request.safety_identifier or request.user,
                prompt_cache_key=request.prompt_cache_key,
                prompt_cache_retention=request.prompt_cache_retention,
            ),
            **tool_fields(tools, _choice(request), request.parallel_tool_calls),
        )


def _messages(request: ResponsesRequest) -> list[Message]:
    messages: list[Message] = []
    if request.instructions is not None:
        messages.append(Message(role="system", content=request.instructions))
    if isinstance(request.input, str):
        return [*messages, Message(role="user", content=request.input)]
    return _joined_messages(request.input, messages)


def _joined_messages(items: Sequence[Item], messages: list[Message]) -> list[Message]:
    for item in items:
        message = _message(item)
        if isinstance(item, FunctionCallItem) and messages and messages[-1].role == "assistant":
            # Items are finer than messages: what the model said and called in one turn is one message.
            message = _joined(messages.pop(), message)
        messages.append(message)
    return messages


def messages_of(items: Sequence[Item]) -> list[Message]:
    """Items as chat messages. Raises InvalidRequest for what breaks a rule of these."""
    with chat_rules():
        return _joined_messages(items, [])


def _message(item: Item) -> Message:
    if isinstance(item, FunctionCallItem):
        return Message(role="assistant", tool_calls=[tool_call(item.call_id, item.name, item.arguments)])
    if isinstance(item, FunctionOutputItem):
        return Message(role="tool", tool_call_id=item.call_id, content=content_of(item.output))
    return Message(role=item.role, content=content_of(item.content))


def _joined(said: Message, called: Message) -> Message:
    calls = [*(said.tool_calls or ()), *(called.tool_calls or ())]
    return Message(role="assistant", tool_calls=calls, **given(content=said.content))


def _choice(request: ResponsesRequest) -> Choice:
    choice = request.tool_choice
    return named_tool(choice.name) if isinstance(choice, ChosenFunction) else choice


def _format(wanted: Format) -> ResponseFormat | None:
    """None for plain text, which chat means when it is told nothing."""
    if isinstance(wanted, SchemaFormat):
        return schema_format(wanted.name, wanted.schema_, strict=wanted.strict, description=wanted.description)
    return None if wanted.type == "text" else ResponseFormat(type=wanted.type)
