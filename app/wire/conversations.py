"""OpenAI's conversations, and facts about end users: bodies, queries, and what is shown. Times are whole seconds."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.wire.base import Identifier, Metadata, Wire
from app.wire.responses import Includable, Item

MAX_ITEMS = 20  # OpenAI's bound of one request
MAX_FACT = 1000  # characters
EndUser = Annotated[str, Field(min_length=1, max_length=256)]
# PostgreSQL's text takes no NUL.
FactText = Annotated[str, Field(min_length=1, max_length=MAX_FACT, pattern=r"^[^\x00]*$")]


class CreateConversation(Wire):
    """`POST /v1/conversations`."""

    items: Annotated[list[Item], Field(max_length=MAX_ITEMS)] | None = None
    metadata: Metadata | None = None


class EditConversation(Wire):
    """`POST /v1/conversations/{id}`."""

    metadata: Metadata | None


class AddItems(Wire):
    """`POST /v1/conversations/{id}/items`."""

    items: Annotated[list[Item], Field(min_length=1, max_length=MAX_ITEMS)]


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class IncludeQuery(_Query):
    """`include` is accepted for things that no item here holds. Clients that can send several call it `include[]`."""

    include: list[Includable] | None = None

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, values: dict[str, Any]) -> dict[str, Any]:
        others = {name: value for name, value in values.items() if name not in ("include", "include[]")}
        one = [values["include"]] if "include" in values else []
        include = [*one, *values.get("include[]", ())]
        return {**others, "include": include} if include else others


class ItemsQuery(IncludeQuery):
    """`GET /v1/conversations/{id}/items`."""

    after: Identifier | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"


class CreateMemory(Wire):
    """`POST /v1/memories`; the user may stand in the query instead."""

    text: FactText
    user: EndUser | None = None


class EditMemory(Wire):
    """`PATCH /v1/memories/{id}`."""

    text: FactText


class UserQuery(_Query):
    """`POST /v1/memories`."""

    user: EndUser | None = None


class MemoriesQuery(UserQuery):
    """`GET /v1/memories`."""

    after: Identifier | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


def conversation_object(conversation_id: str, created_ms: int, metadata: Mapping[str, str]) -> dict[str, Any]:
    """A `conversation`."""
    return {
        "id": conversation_id,
        "object": "conversation",
        "created_at": created_ms // 1000,
        "metadata": dict(metadata),
    }


def memory_object(
    memory_id: str, text: str, created_ms: int, updated_ms: int, conversation: str | None
) -> dict[str, Any]:
    """A fact. Whose it is, only a keyed hash of the name is known."""
    return {
        "id": memory_id,
        "object": "memory",
        "text": text,
        "conversation": conversation,
        "created_at": created_ms // 1000,
        "updated_at": updated_ms // 1000,
    }


def item_list(items: Sequence[Mapping[str, Any]], *, has_more: bool = False) -> dict[str, Any]:
    """A list of items. An empty one has empty ids: the official client wants texts."""
    return {
        "object": "list",
        "data": list(items),
        "first_id": items[0]["id"] if items else "",
        "last_id": items[-1]["id"] if items else "",
        "has_more": has_more,
    }
