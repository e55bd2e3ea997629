"""From a dialect's values to a ChatRequest: the rules of chat hold for every dialect."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from pydantic import ValidationError

from app.wire.base import FunctionName, NamedFunction
from app.wire.chat import CacheControl, Function, FunctionCall, ResponseFormat, TextPart, Tool, ToolCall
from app.wire.parse import describe

Choice = Literal["none", "auto", "required"] | NamedFunction | None


class HasText(Protocol):
    """A part or block of text."""

    @property
    def text(self) -> str: ...


@contextmanager
def chat_rules() -> Iterator[None]:
    """What chat refuses about a translated request is an InvalidRequest too."""
    try:
        yield
    except ValidationError as error:
        raise describe(error) from None


def given(**fields: Any) -> dict[str, Any]:
    """The fields that have a value: an engine gets set fields only."""
    return {name: value for name, value in fields.items() if value is not None}


def content_of(content: str | Sequence[HasText]) -> str | list[TextPart]:
    """A message's content, in one text or in several."""
    if isinstance(content, str):
        return content
    # Anthropic's blocks alone have it.
    return [
        TextPart(type="text", text=part.text, cache_control=getattr(part, "cache_control", None)) for part in content
    ]


def tool(
    name: str,
    description: str | None,
    parameters: dict[str, Any] | None,
    strict: bool | None,
    cache_control: CacheControl | None = None,
) -> Tool:
    """A function that the model may call."""
    function = given(name=name, description=description, parameters=parameters, strict=strict)
    return Tool(type="function", function=Function.model_validate(function), cache_control=cache_control)


def named_tool(name: str) -> NamedFunction:
    """The choice of one function."""
    return NamedFunction(type="function", function=FunctionName(name=name))


def tool_call(identifier: str, name: str, arguments: str, cache_control: CacheControl | None = None) -> ToolCall:
    """A call that the model made earlier."""
    function = FunctionCall(name=name, arguments=arguments)
    return ToolCall(id=identifier, type="function", function=function, cache_control=cache_control)


def tool_fields(tools: list[Tool], choice: Choice, parallel: bool | None) -> dict[str, Any]:
    """Everything about tools. Without any, `auto` and `none` say nothing, and providers refuse them."""
    if not tools and choice in (None, "auto", "none"):
        return {}
    return given(tools=tools or None, tool_choice=choice, parallel_tool_calls=parallel)


def schema_format(name: str, schema: dict[str, Any], **more: Any) -> ResponseFormat:
    """The answer must be JSON by this schema. `more`: strict, description."""
    json_schema = given(name=name, schema=schema, **more)
    return ResponseFormat.model_validate({"type": "json_schema", "json_schema": json_schema})
