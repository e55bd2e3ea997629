"""The base of request bodies, and the bounds they share."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_TEXT = 1_000_000  # characters; the body limit stands before it
MAX_INT64 = 2**63 - 1


class Wire(BaseModel):
    """A part of a request. Wrong types and unknown fields are errors, as they are at OpenAI."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())


Name = Annotated[str, Field(min_length=1, max_length=256)]
# Identifiers reach an engine as they are, so they have no room for text.
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Seed = Annotated[int, Field(ge=-MAX_INT64 - 1, le=MAX_INT64)]
Tokens = Annotated[int, Field(ge=1, le=10_000_000)]
Stop = Annotated[str, Field(min_length=1, max_length=256)]
Stops = Stop | Annotated[list[Stop], Field(max_length=16)]
LogitBias = Annotated[
    dict[Annotated[str, Field(pattern=r"^\d{1,9}$")], Annotated[float, Field(ge=-100, le=100)]],
    Field(max_length=1024),
]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]


class StreamOptions(Wire):
    """What a stream tells beside the text."""

    include_usage: bool = False
    include_obfuscation: bool = False


class Sampling(Wire):
    """How tokens are drawn. The last group is vLLM's, by the names vLLM gives them."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    seed: Seed | None = None
    stop: Stops | None = None
    max_tokens: Tokens | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: LogitBias | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: Annotated[str, Field(max_length=256)] | None = None

    top_k: Annotated[int, Field(ge=-1, le=100_000)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=2)] | None = None
    min_tokens: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    ignore_eos: bool | None = None
    skip_special_tokens: bool | None = None


class FunctionName(Wire):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class NamedFunction(Wire):
    type: Literal["function"]
    function: FunctionName
