"""`POST /v1/search` and `POST /v1/rerank`: requests and answers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from app.retrieval.search.types import Mode
from app.retrieval.types import Comparison, Compound, MetadataValue, Passage, Where
from app.wire.base import MAX_INT64, Name, Wire

MAX_QUERY = 8_000  # characters: a question, or what was copied from a log
MAX_PASSAGES = 50
MAX_DOCUMENTS = 256
MAX_DOCUMENT = 100_000  # characters
MAX_VALUES = 256
MAX_CONDITIONS = 64

Query = Annotated[str, Field(min_length=1, max_length=MAX_QUERY, pattern=r"\S")]
Number = Annotated[int, Field(ge=-MAX_INT64 - 1, le=MAX_INT64)] | Annotated[float, Field(allow_inf_nan=False)]
Scalar = Annotated[str, Field(max_length=1024)] | bool | Number
Key = Annotated[str, Field(min_length=1, max_length=128)]


class ValueFilter(Wire):
    """A condition on one metadata field."""

    type: Literal["eq", "ne", "gt", "gte", "lt", "lte"]
    key: Key
    value: Scalar

    @property
    def where(self) -> Where:
        return Comparison(self.key, self.type, self.value)

    @model_validator(mode="after")
    def _can_be_compared(self) -> "ValueFilter":
        if self.type not in ("eq", "ne") and isinstance(self.value, bool):
            raise ValueError(f"{self.type} compares numbers and dates")
        return self


class ListFilter(Wire):
    """A condition on one metadata field that names several values."""

    type: Literal["in", "nin"]
    key: Key
    value: Annotated[list[Scalar], Field(min_length=1, max_length=MAX_VALUES, fail_fast=True)]

    @property
    def where(self) -> Where:
        return Comparison(self.key, self.type, tuple[MetadataValue, ...](self.value))


class CompoundFilter(Wire):
    """Conditions of which all, or any, must hold."""

    type: Literal["and", "or"]
    filters: Annotated[list["Filter"], Field(min_length=1, max_length=MAX_CONDITIONS, fail_fast=True)]

    @property
    def where(self) -> Where:
        return Compound(self.type, tuple(each.where for each in self.filters))


def _branch(value: object) -> str:
    kind = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    if kind in ("in", "nin"):
        return "[values]"
    return "[compound]" if kind in ("and", "or") else "[value]"


Filter = Annotated[
    Annotated[ValueFilter, Tag("[value]")]
    | Annotated[ListFilter, Tag("[values]")]
    | Annotated[CompoundFilter, Tag("[compound]")],
    Discriminator(_branch),
]


class SearchOptions(Wire):
    """How to search; what is absent is as configured."""

    limit: Annotated[int, Field(ge=1, le=MAX_PASSAGES)] | None = None
    mode: Mode = "hybrid"
    filters: Filter | None = None
    min_score: Annotated[float, Field(ge=0, le=1)] | None = None
    rerank: bool | None = None

    @property
    def where(self) -> Where | None:
        """The filters as stores take them."""
        return None if self.filters is None else self.filters.where


class SearchBody(SearchOptions):
    """`POST /v1/search`."""

    query: Query
    neighbours: Annotated[int, Field(ge=0, le=5)] = 0


class DocumentText(Wire):
    """A document of a rerank request."""

    text: Annotated[str, Field(max_length=MAX_DOCUMENT)]


def _document(value: object) -> str:
    return "[text]" if isinstance(value, str) else "[object]"


Document = Annotated[
    Annotated[str, Field(max_length=MAX_DOCUMENT), Tag("[text]")] | Annotated[DocumentText, Tag("[object]")],
    Discriminator(_document),
]


class RerankBody(Wire):
    """`POST /v1/rerank`. `model` may be anything that clients of others send."""

    query: Query
    documents: Annotated[list[Document], Field(min_length=1, max_length=MAX_DOCUMENTS, fail_fast=True)]
    top_n: Annotated[int, Field(ge=1, le=MAX_DOCUMENTS)] | None = None
    return_documents: bool = False
    model: Name | None = None

    @property
    def texts(self) -> list[str]:
        """The documents' texts."""
        return [each if isinstance(each, str) else each.text for each in self.documents]


def search_answer(query: str, passages: Iterable[Passage], relevant: bool, tokens: int) -> dict[str, Any]:
    """The answer: passages best first."""
    return {
        "object": "list",
        "query": query,
        "relevant": relevant,
        "data": [passage_wire(passage) for passage in passages],
        "usage": _usage(tokens),
    }


def passage_wire(passage: Passage) -> dict[str, Any]:
    """A passage as JSON."""
    chunk = passage.chunk
    return {
        "document": chunk.document,
        "chunk": chunk.ordinal,
        "title": chunk.title,
        "heading": chunk.heading,
        "page": chunk.page,
        "start": chunk.start,
        "end": chunk.end,
        "score": round(passage.score, 4),
        "text": chunk.text,
        "metadata": dict(chunk.metadata),
    }


def rerank_answer(answer_id: str, model: str, body: RerankBody, scores: Sequence[float], tokens: int) -> dict[str, Any]:
    """Cohere's and Jina's answer: the best documents first, by their index in the request."""
    texts = body.texts
    order = sorted(range(len(texts)), key=lambda index: -scores[index])[: body.top_n]
    results: list[dict[str, Any]] = [{"index": i, "relevance_score": round(scores[i], 6)} for i in order]
    if body.return_documents:
        for result in results:
            result["document"] = {"text": texts[result["index"]]}
    return {
        "id": f"rerank-{answer_id}",
        "object": "list",
        "model": model,
        "results": results,
        "usage": _usage(tokens),
    }


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": tokens, "total_tokens": tokens}
