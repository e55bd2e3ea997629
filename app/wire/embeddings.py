"""`POST /v1/embeddings`: request and answer."""

import base64
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from app.wire.base import Name, Wire

EmbeddingText = Annotated[str, Field(min_length=1, max_length=100_000)]


class EmbeddingRequest(Wire):
    """An embedding request; `input` is text, alone or listed."""

    model: Name
    input: EmbeddingText | Annotated[list[EmbeddingText], Field(min_length=1, max_length=2048, fail_fast=True)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Field(ge=1, le=65536)] | None = None
    user: Annotated[str, Field(max_length=256)] | None = None

    @property
    def inputs(self) -> list[str]:
        """The texts as a list."""
        return [self.input] if isinstance(self.input, str) else self.input


def embedding_answer(
    vectors: NDArray[np.float32], tokens: int, model: str, encoding: Literal["float", "base64"]
) -> dict[str, Any]:
    """OpenAI's answer for vectors of shape (inputs, dimensions); base64 is little-endian float32."""
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _encode(row, encoding)}
            for index, row in enumerate(vectors)
        ],
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _encode(row: NDArray[np.float32], encoding: Literal["float", "base64"]) -> list[float] | str:
    if encoding == "base64":
        return base64.b64encode(row.astype("<f4").tobytes()).decode()
    values: list[float] = row.tolist()
    return values
