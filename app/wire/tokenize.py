"""`POST /tokenize`: what a model makes of a text, by vLLM's field names."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from app.wire.base import Name, Text, Wire
from app.wire.chat import Message


class TokenizeRequest(Wire):
    """A prompt, or messages to which the model's chat template is applied."""

    model: Name
    prompt: Text | None = None
    messages: Annotated[list[Message], Field(min_length=1, max_length=2048, fail_fast=True)] | None = None
    add_special_tokens: bool | None = None
    add_generation_prompt: bool | None = None
    return_token_strs: bool | None = None

    @model_validator(mode="after")
    def _one_input(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give prompt or messages, one of the two")
        return self
