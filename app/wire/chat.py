"""`POST /v1/chat/completions`: the request body."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from app.wire.base import MAX_TEXT, Identifier, Metadata, Name, NamedFunction, Sampling, Text, Tokens, Wire
from app.wire.extension import Extension
from app.wire.unsupported import refused

JsonSchema = dict[str, Any]

# What an answer's message has beside our fields, here or at others; clients send it back as it came.
_EMPTY_IN_ANSWERS = ("annotations", "audio", "function_call", "reasoning", "reasoning_content", "tool_calls")
_REASONING = ("reasoning", "reasoning_content")


class CacheControl(Wire):
    """Anthropic's mark for a prompt cache, where clients of OpenAI's wire put it too. Only Anthropic gets it: other
    providers and the engine's prefix cache find prefixes by themselves."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class TextPart(Wire):
    type: Literal["text"]
    text: Text
    cache_control: CacheControl | None = None


class FunctionCall(Wire):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    arguments: Text


class Thought(Wire):
    """What Gemini signs a call with, and wants back. No guard reads it, so it has no room for text."""

    thought_signature: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/=_-]+$", max_length=65_536)]


class ExtraContent(Wire):
    """By the name of Google's endpoint. Only Gemini gets it."""

    google: Thought | None = None
    vertex: Thought | None = None


class ToolCall(Wire):
    id: Identifier
    type: Literal["function"]
    function: FunctionCall
    cache_control: CacheControl | None = None
    extra_content: ExtraContent | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_answered(cls, call: Any) -> Any:
        """A call of an answer, sent back: its place among the calls is its place in the list."""
        if isinstance(call, dict) and isinstance(call.get("index"), int):
            return {name: value for name, value in call.items() if name != "index"}
        return call


class Message(Wire):
    """One turn. Text parts are accepted and joined; the served models read text alone."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text | Annotated[list[TextPart], Field(min_length=1, max_length=256, fail_fast=True)] | None = None
    name: Identifier | None = None
    tool_calls: Annotated[list[ToolCall], Field(min_length=1, max_length=128)] | None = None
    tool_call_id: Identifier | None = None
    refusal: Text | None = None
    cache_control: CacheControl | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_answered(cls, message: Any) -> Any:
        """An answer of ours, sent back: without what is empty in it, and without reasoning, which no guard reads. One
        that was withheld, or was cut off while the model reasoned, has null for its text."""
        if not isinstance(message, dict) or message.get("role") != "assistant":
            return message
        kept = {
            name: value
            for name, value in message.items()
            if not (name in _EMPTY_IN_ANSWERS and value in (None, "", [], {}))
            and not (name in _REASONING and isinstance(value, str))
        }
        says_nothing = kept.get("content", "") is None and not (kept.get("tool_calls") or kept.get("refusal"))
        return {**kept, "content": ""} if says_nothing else kept

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.content is None and not (self.role == "assistant" and (self.tool_calls or self.refusal)):
            article = "an" if self.role == "assistant" else "a"
            raise ValueError(f"{article} {self.role} message needs content")
        if self.role == "tool" and not self.tool_call_id:
            raise ValueError("a tool message needs tool_call_id")
        if self.tool_calls and self.role != "assistant":
            raise ValueError(f"a {self.role} message cannot carry tool_calls")
        return self

    @property
    def text(self) -> str | None:
        """The content as one string."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content


class Function(Wire):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: Text | None = None
    parameters: JsonSchema | None = None
    strict: bool | None = None


class Tool(Wire):
    type: Literal["function"]
    function: Function
    cache_control: CacheControl | None = None


class SchemaFormat(Wire):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: Text | None = None
    schema_: Annotated[JsonSchema | None, Field(alias="schema")] = None
    strict: bool | None = None


class ResponseFormat(Wire):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: SchemaFormat | None = None

    @model_validator(mode="after")
    def _has_schema(self) -> Self:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema belongs to type json_schema, and type json_schema needs it")
        return self


class ConversationReference(Wire):
    """`conversation` as an object."""

    id: Identifier


class ChatRequest(Sampling):
    """A chat completion request. Raises pydantic's ValidationError."""

    model: Name
    messages: Annotated[list[Message], Field(min_length=1, max_length=2048, fail_fast=True)]
    max_completion_tokens: Tokens | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    tools: Annotated[list[Tool], Field(min_length=1, max_length=128, fail_fast=True)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedFunction | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    # How a provider caches prompts. None of it changes an answer.
    cache_control: CacheControl | None = None
    prompt_cache_key: Annotated[str, Field(max_length=256)] | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    conversation: Identifier | ConversationReference | None = None  # what `messages` goes on with
    # Accepted because clients send them; they change nothing here.
    metadata: Metadata | None = None
    store: bool | None = None  # no answer is stored by itself, whatever it says
    service_tier: Literal["auto", "default"] | None = None
    # `user` by its newer name. This and what follows is not for engines: not all of them know it.
    safety_identifier: Annotated[Annotated[str, Field(max_length=256)] | None, Field(exclude=True)] = None
    # Accepted only where they ask for what happens anyway.
    verbosity: Annotated[
        Literal["medium"] | None,
        refused("the served models have one verbosity", but=("medium",)),
        Field(exclude=True),
    ] = None
    modalities: Annotated[
        list[Literal["text"]] | None,
        refused("the served models write text alone", but=(["text"],)),
        Field(exclude=True),
    ] = None
    reasoning_effort: Annotated[
        Literal["none"] | None, refused("the served models do not reason", but=("none",)), Field(exclude=True)
    ] = None
    sextant: Extension = Extension()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs: true")
        if self.stream_options and not self.stream:
            raise ValueError("stream_options needs stream: true")
        names = {tool.function.name for tool in self.tools or ()}
        if isinstance(self.tool_choice, NamedFunction) and self.tool_choice.function.name not in names:
            raise ValueError(f"tool_choice names {self.tool_choice.function.name!r}, which is not among tools")
        if self.tool_choice == "required" and not names:
            raise ValueError("tool_choice: required needs tools")
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise ValueError("give max_completion_tokens or max_tokens, not both")
        if sum(len(message.text or "") for message in self.messages) > MAX_TEXT:
            raise ValueError(f"messages hold more than {MAX_TEXT:,} characters")
        if self.user is None and self.safety_identifier is not None:
            return self.model_copy(update={"user": self.safety_identifier})
        return self
