"""What a conversation, an item of it, and a fact are. Times are milliseconds since the epoch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.accounts.types import Caller
from app.clock import now_ms

Message = dict[str, Any]  # of a chat request


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose memory is meant. `customer`: None sees the whole tenant's. `end_user`: a tag, not a name (see `tags`);
    None: whichever. `since_ms`: when it came; once the end user was erased since, nothing is kept for it."""

    tenant: str
    customer: str | None = None
    end_user: str | None = None
    since_ms: int = field(default_factory=now_ms, compare=False)

    @classmethod
    def of(cls, caller: Caller, end_user: str | None = None) -> "Owner":
        return cls(caller.tenant, caller.customer, end_user)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation without its items. `summary` tells of the positions before `summary_upto`."""

    tenant: str
    id: str
    customer: str | None
    end_user: str | None
    metadata: Mapping[str, str]
    created_ms: int
    updated_ms: int
    expires_ms: int
    next_position: int = 0
    summary: str = ""
    summary_upto: int = 0
    summary_policy: str = ""
    vault: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item that is to be added. `content` is an item of OpenAI's Responses without its id and status:
    a message, a function_call or a function_call_output; a message's content is one text."""

    id: str
    role: str
    content: Mapping[str, Any]
    tokens: int  # an estimate


@dataclass(frozen=True, slots=True)
class Item:
    """An item as it is kept."""

    id: str
    position: int
    role: str
    content: Mapping[str, Any]
    tokens: int
    counted_by: str | None
    policy: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class Turn:
    """Items that stand or fall together: a user's words, and all that was said and called until the next ones."""

    items: tuple[Item, ...]

    @property
    def start(self) -> int:
        return self.items[0].position

    @property
    def end(self) -> int:
        """The position behind it."""
        return self.items[-1].position + 1


@dataclass(frozen=True, slots=True)
class Fact:
    """Something about an end user. `text` has the guard's placeholders in it; `vault` is encrypted."""

    tenant: str
    id: str
    customer: str | None
    end_user: str
    text: str
    vector: bytes = field(repr=False)
    policy: str
    created_ms: int
    updated_ms: int
    conversation: str | None = None
    vault: bytes | None = field(default=None, repr=False)
