"""`POST /v1/messages` and `/v1/messages/count_tokens`: the request bodies, by Anthropic's names."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from app.wire.base import Identifier, Name, Stop, Text, Tokens, Wire
from app.wire.chat import CacheControl, JsonSchema
from app.wire.extension import Extension
from app.wire.unsupported import kind, refused, told_by_type

ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class DirectCaller(Wire):
    type: Literal["direct"]


class Block(Wire):
    """What all blocks may carry."""

    cache_control: CacheControl | None = None


class TextBlock(Block):
    type: Literal["text"]
    text: Text
    citations: Annotated[None, refused("citations of earlier answers are not read", but=([],))] = None


class ToolUseBlock(Block):
    type: Literal["tool_use"]
    id: Identifier
    name: ToolName
    input: dict[str, Any]
    caller: DirectCaller | None = None


PlainText = Annotated[
    Annotated[TextBlock, kind("text")],
    told_by_type("a block is text here: the served models read text alone"),
]
Texts = Annotated[list[PlainText], Field(min_length=1, max_length=256)]


class ToolResultBlock(Block):
    type: Literal["tool_result"]
    tool_use_id: Identifier
    content: Text | Annotated[list[PlainText], Field(max_length=256)] = ""
    is_error: bool | None = None


ContentBlock = Annotated[
    Annotated[TextBlock, kind("text")]
    | Annotated[ToolUseBlock, kind("tool_use")]
    | Annotated[ToolResultBlock, kind("tool_result")],
    told_by_type("a block is text, tool_use or tool_result: the served models read text alone"),
]


class MessageTurn(Wire):
    """One turn of the conversation."""

    role: Literal["user", "assistant", "system"]
    content: Text | Annotated[list[ContentBlock], Field(min_length=1, max_length=256)]

    @model_validator(mode="after")
    def _right_blocks(self) -> Self:
        foreign = {"user": ToolUseBlock, "assistant": ToolResultBlock, "system": ToolUseBlock | ToolResultBlock}
        for block in self.content if isinstance(self.content, list) else ():
            if isinstance(block, foreign[self.role]):
                raise ValueError(f"a {self.role} turn holds no {block.type}")
        return self


class ClientTool(Wire):
    """A tool that the client runs. A streamed input is always streamed as it is made."""

    name: ToolName
    input_schema: JsonSchema
    description: Text | None = None
    strict: bool | None = None
    type: Literal["custom"] | None = None
    cache_control: CacheControl | None = None
    eager_input_streaming: bool | None = None
    allowed_callers: list[Literal["direct"]] | None = None
    defer_loading: Annotated[Literal[False] | None, refused("all tools are loaded at once", but=(False,))] = None
    input_examples: Annotated[None, refused("put examples into the description")] = None


Tool = Annotated[
    Annotated[ClientTool, kind("custom")] | Annotated[ClientTool, kind("None")],
    told_by_type("a tool is a client tool; server tools such as web_search are not supported"),
]


class ToolChoice(Wire):
    type: Literal["auto", "any", "tool", "none"]
    name: ToolName | None = None
    disable_parallel_tool_use: bool | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if (self.type == "tool") != (self.name is not None):
            raise ValueError("name belongs to type tool, and type tool needs it")
        return self


class SchemaFormat(Wire):
    type: Literal["json_schema"]
    schema_: Annotated[JsonSchema, Field(alias="schema")]


class OutputConfig(Wire):
    format: SchemaFormat | None = None
    effort: Annotated[None, refused("the served models do not reason")] = None


class RequestMetadata(Wire):
    user_id: Annotated[str, Field(max_length=256)] | None = None


class Thinking(Wire):
    type: Annotated[Literal["disabled"], refused("the served models do not think aloud", but=("disabled",))]


class MessagesInput(Wire):
    """What a model reads: the part that counting tokens and answering share."""

    model: Name
    messages: Annotated[list[MessageTurn], Field(min_length=1, max_length=2048, fail_fast=True)]
    system: Text | Texts | None = None
    tools: Annotated[list[Tool], Field(max_length=128, fail_fast=True)] | None = None
    tool_choice: ToolChoice | None = None
    output_config: OutputConfig | None = None

    cache_control: CacheControl | None = None

    # Accepted only where they ask for what happens anyway.
    thinking: Thinking | None = None
    speed: Annotated[Literal["standard"] | None, refused("there is one speed", but=("standard",))] = None

    # Refused: each would change the answer, or who it is for.
    user_profile_id: Annotated[None, refused("there are no user profiles; name the user in metadata.user_id")] = None
    workspace_id: Annotated[None, refused("the key decides which tenant a request belongs to")] = None
    context_management: Annotated[None, refused("the context is not managed here; send what is to be read")] = None
    mcp_servers: Annotated[None, refused("tools are run by the client", but=([],))] = None

    @field_validator("messages")
    @classmethod
    def _ask(cls, messages: list[MessageTurn]) -> list[MessageTurn]:
        if messages[-1].role == "assistant":
            raise ValueError("the last turn must not be the assistant's: its text cannot be continued")
        return messages


class CountTokensRequest(MessagesInput):
    """A request to count input tokens. Raises pydantic's ValidationError."""


class MessagesRequest(MessagesInput):
    """A Messages request. Raises pydantic's ValidationError."""

    max_tokens: Tokens
    stop_sequences: Annotated[list[Stop], Field(max_length=16)] | None = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=100_000)] | None = None
    stream: bool | None = None
    metadata: RequestMetadata | None = None
    sextant: Extension = Extension()

    service_tier: Annotated[
        Literal["auto", "standard_only"] | None,
        refused("there is one service tier", but=("auto", "standard_only")),
    ] = None
    container: Annotated[None, refused("there are no containers: tools are run by the client")] = None
    diagnostics: Annotated[None, refused("there are no diagnostics")] = None
    inference_geo: Annotated[None, refused("where a request runs is decided by the operator")] = None
