"""`POST /v1/completions`: the request body."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from app.wire.base import Name, Sampling, Text
from app.wire.extension import Extension


class CompletionRequest(Sampling):
    """A text completion request. Prompts are text: tokens could not be screened by the guard."""

    model: Name
    prompt: Text | Annotated[list[Text], Field(min_length=1, max_length=64)]
    suffix: None = None
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    sextant: Extension = Extension()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.stream_options and not self.stream:
            raise ValueError("stream_options needs stream: true")
        if self.sextant.retrieval is not None and self.sextant.retrieval.enabled:
            raise ValueError("sextant.retrieval works with /v1/chat/completions")
        return self

    @property
    def prompts(self) -> list[str]:
        """The prompts as a list."""
        return [self.prompt] if isinstance(self.prompt, str) else self.prompt
