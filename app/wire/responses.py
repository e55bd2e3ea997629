"""`POST /v1/responses`: the request body, every parameter that OpenAI's client can send."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from app.wire.base import Identifier, Metadata, Name, Text, Tokens, Wire
from app.wire.chat import ConversationReference, JsonSchema
from app.wire.extension import Extension
from app.wire.unsupported import kind, refused, told_by_type

FunctionIdentifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Status = Literal["in_progress", "completed", "incomplete"]
# More about things that cannot be in an answer of ours, so there is nothing to include.
Includable = Literal[
    "reasoning.encrypted_content",
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "message.input_image.image_url",
]
Hint = Annotated[str, Field(max_length=256)]


class InputText(Wire):
    type: Literal["input_text"]
    text: Text


class OutputText(Wire):
    """The model's text, given back. What else stands with it changes nothing here."""

    type: Literal["output_text"]
    text: Text
    annotations: list[dict[str, Any]] | None = None
    logprobs: list[dict[str, Any]] | None = None


class Refusal(Wire):
    type: Literal["refusal"]
    refusal: Text

    @property
    def text(self) -> str:
        return self.refusal


Part = Annotated[
    Annotated[InputText, kind("input_text")]
    | Annotated[OutputText, kind("output_text")]
    | Annotated[Refusal, kind("refusal")],
    told_by_type("a part is input_text, output_text or refusal: the served models read text alone"),
]
InputTexts = Annotated[
    list[
        Annotated[
            Annotated[InputText, kind("input_text")],
            told_by_type("a part is input_text: the served models read text alone"),
        ]
    ],
    Field(min_length=1, max_length=256),
]


class MessageItem(Wire):
    """One turn; the model's own ones come back with an id, a status and a phase."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Text | Annotated[list[Part], Field(min_length=1, max_length=256)]
    id: Identifier | None = None
    status: Status | None = None
    phase: Literal["commentary", "final_answer"] | None = None


class FunctionCallItem(Wire):
    type: Literal["function_call"]
    call_id: Identifier
    name: FunctionIdentifier
    arguments: Text
    id: Identifier | None = None
    status: Status | None = None


class FunctionOutputItem(Wire):
    type: Literal["function_call_output"]
    call_id: Identifier
    output: Text | InputTexts
    id: Identifier | None = None
    status: Status | None = None


Item = Annotated[
    Annotated[MessageItem, kind("message")]
    | Annotated[FunctionCallItem, kind("function_call")]
    | Annotated[FunctionOutputItem, kind("function_call_output")],
    told_by_type("an item is a message, a function_call or a function_call_output", default="message"),
]


class FunctionTool(Wire):
    type: Literal["function"]
    name: FunctionIdentifier
    parameters: JsonSchema | None = None
    description: Text | None = None
    strict: bool | None = None


Tool = Annotated[
    Annotated[FunctionTool, kind("function")],
    told_by_type("a tool is a function; built-in tools such as web_search are not supported"),
]


class ChosenFunction(Wire):
    type: Literal["function"]
    name: FunctionIdentifier


NamedTool = Annotated[
    Annotated[ChosenFunction, kind("function")],
    told_by_type("the choice is auto, none, required or a function by its name"),
]


class PlainFormat(Wire):
    type: Literal["text", "json_object"]


class SchemaFormat(Wire):
    type: Literal["json_schema"]
    name: FunctionIdentifier
    schema_: Annotated[JsonSchema, Field(alias="schema")]
    description: Text | None = None
    strict: bool | None = None


Format = Annotated[
    Annotated[PlainFormat, kind("text")]
    | Annotated[PlainFormat, kind("json_object")]
    | Annotated[SchemaFormat, kind("json_schema")],
    told_by_type("a format is text, json_object or json_schema"),
]


class TextConfig(Wire):
    format: Format = PlainFormat(type="text")
    verbosity: Annotated[Literal["medium"] | None, refused("the served models have one verbosity", but=("medium",))] = (
        None
    )


class Reasoning(Wire):
    effort: Annotated[Literal["none"] | None, refused("the served models do not reason", but=("none",))] = None
    summary: Annotated[None, refused("the served models do not reason")] = None
    generate_summary: Annotated[None, refused("the served models do not reason")] = None


class StreamOptions(Wire):
    include_obfuscation: bool | None = None


class ResponsesRequest(Wire):
    """A Responses request. Raises pydantic's ValidationError."""

    model: Name
    input: Text | Annotated[list[Item], Field(min_length=1, max_length=2048, fail_fast=True)]
    instructions: Text | None = None
    max_output_tokens: Tokens | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    tools: Annotated[list[Tool], Field(max_length=128, fail_fast=True)] | None = None
    tool_choice: NamedTool | Literal["none", "auto", "required"] | None = None
    parallel_tool_calls: bool | None = None
    text: TextConfig | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    metadata: Metadata | None = None
    user: Hint | None = None
    safety_identifier: Hint | None = None
    conversation: Identifier | ConversationReference | None = None  # what `input` goes on with
    sextant: Extension = Extension()

    # How a provider caches prompts. None of it changes an answer.
    prompt_cache_key: Hint | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None

    # Accepted because clients send them; they change nothing here. No answer is stored by itself,
    # whatever `store` says, and the answer says so.
    store: bool | None = None
    max_tool_calls: Annotated[int, Field(ge=1)] | None = None  # of built-in tools, and there are none
    include: Annotated[list[Includable], Field(max_length=16)] | None = None
    reasoning: Reasoning | None = None

    # Accepted only where they ask for what happens anyway.
    background: Annotated[
        Literal[False] | None, refused("answers are not made in the background; POST /v1/batches is", but=(False,))
    ] = None
    service_tier: Annotated[
        Literal["auto", "default"] | None, refused("there is one service tier", but=("auto", "default"))
    ] = None
    truncation: Annotated[
        Literal["disabled"] | None, refused("input that is too long is refused, not cut", but=("disabled",))
    ] = None
    top_logprobs: Annotated[
        Literal[0] | None, refused("log probabilities are given by /v1/chat/completions", but=(0,))
    ] = None

    # Refused: each would change the answer, or what is kept of it.
    previous_response_id: Annotated[None, refused("answers are not stored by themselves; use conversation")] = None
    prompt: Annotated[None, refused("stored prompts are named by the model alias, not by prompt")] = None
    context_management: Annotated[None, refused("the context is not managed here; send what is to be read")] = None
    moderation: Annotated[None, refused("moderation is the guard's, and set by the operator")] = None
    prompt_cache_options: Annotated[None, refused("the prefix cache cannot be steered by a request")] = None
    access_programs: Annotated[None, refused("there are no access programs")] = None
    background_options: Annotated[None, refused("answers are not made in the background")] = None
    image: Annotated[None, refused("the served models read text alone")] = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.stream_options and not self.stream:
            raise ValueError("stream_options needs stream: true")
        return self
