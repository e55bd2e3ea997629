"""What the exact tier keeps: a finished answer, and the sealed form in which it lies in the store."""

import hashlib
import hmac
import time
from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired

import orjson
from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

MAX_BYTES = 1_000_000  # of one record; larger answers are not kept
CODE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished answer.

    `answer` is the body of the non-streamed answer; `deltas` the pieces its text was streamed in
    (empty when it was not), so that a replay keeps the chunking. `made_s` is seconds since the epoch.
    """

    answer: dict[str, Any]
    deltas: tuple[str, ...] = ()
    made_s: float = field(default_factory=time.time, compare=False)


@dataclass(frozen=True, slots=True)
class Record:
    """What stands under one key: an entry, or another key of the same tenant that leads to one.

    Made at `made_s` (since the epoch), fresh for `ttl_s`. `epoch` names the purges that had been by then: a record of
    another epoch has been purged.
    """

    content: Entry | str
    made_s: float
    ttl_s: float
    epoch: str

    def to_json(self) -> bytes:
        """Raises ValueError for what is no entry, and for one that is too large."""
        match self.content:
            case str() as alias:
                content: dict[str, Any] = {"alias": alias}
            case Entry(answer, deltas):
                content = {"answer": answer, "deltas": deltas}
        try:
            raw = orjson.dumps({**content, "made_s": self.made_s, "ttl_s": self.ttl_s, "epoch": self.epoch})
        except orjson.JSONEncodeError as error:
            raise ValueError("the answer cannot be written as JSON") from error
        _check(raw)
        # A copy of its own size: orjson's buffer was many times as large, and the heap keeps a hole of that size.
        return bytes(memoryview(raw))

    @classmethod
    def from_json(cls, raw: bytes) -> "Record":
        """`raw` has been checked. The answer is nobody else's: the caller may change it."""
        found = orjson.loads(raw)
        content = found.get("alias") or Entry(found["answer"], tuple(found["deltas"]), found["made_s"])
        return cls(content, found["made_s"], found["ttl_s"], found["epoch"])


class Seal:
    """Seals records for the store, under the stack's key.

    The code (BLAKE2b, keyed, 16 bytes) covers the record and the name that it stands under: bytes that were changed,
    cut short or copied to another name, another tenant's for one, do not open.
    """

    def __init__(self, hash_key: bytes) -> None:
        # A key for each purpose; BLAKE2b takes at most 64 bytes.
        self._code_key, self._owner_key = (
            hashlib.blake2b(hash_key, digest_size=32, person=purpose).digest()
            for purpose in (b"sextant seal", b"sextant owner")
        )

    def owner(self, tenant: str) -> str:
        """What stands for a tenant in the names of its records (hex)."""
        return hashlib.blake2b(tenant.encode(), digest_size=16, key=self._owner_key).hexdigest()

    def close(self, name: str, raw: bytes) -> bytes:
        """The record (JSON) as it may lie in the store under this name."""
        return self._code(name, raw) + raw

    def open(self, name: str, sealed: bytes) -> bytes:
        """The record that was sealed, checked. Raises ValueError."""
        code, raw = sealed[: 2 * CODE_BYTES], sealed[2 * CODE_BYTES :]
        if not hmac.compare_digest(code, self._code(name, raw)):
            raise ValueError("not sealed for this name")
        _check(raw)
        return raw

    def _code(self, name: str, raw: bytes) -> bytes:
        code = hashlib.blake2b(digest_size=CODE_BYTES, key=self._code_key)
        code.update(b"%s\n" % name.encode())  # no name holds a line's end
        code.update(raw)
        return code.hexdigest().encode()


# What a replay relies on; more may stand beside it.
class _Function(TypedDict):
    name: str
    arguments: str


class _Call(TypedDict):
    id: str
    function: _Function


class _Message(TypedDict):
    content: NotRequired[str | None]
    tool_calls: NotRequired[list[_Call] | None]


class _ChatChoice(TypedDict):
    message: _Message
    finish_reason: str


class _TextChoice(TypedDict):
    text: str
    finish_reason: str


class _Answer(TypedDict):
    id: str
    model: str
    choices: Annotated[list[_ChatChoice] | list[_TextChoice], Field(min_length=1)]
    usage: NotRequired[dict[str, Any] | None]
    sextant: NotRequired[dict[str, Any] | None]


_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Kept(TypedDict):
    made_s: _Seconds
    ttl_s: _Seconds
    epoch: str


class _KeptEntry(_Kept):
    answer: _Answer
    deltas: list[str]


class _KeptAlias(_Kept):
    alias: Annotated[str, Field(min_length=1)]


_RECORD: TypeAdapter[_KeptEntry | _KeptAlias] = TypeAdapter(_KeptEntry | _KeptAlias)


def _check(raw: bytes) -> None:
    if len(raw) > MAX_BYTES:
        raise ValueError("the record is too large")
    try:
        _RECORD.validate_json(raw, strict=True)
    except ValidationError:
        raise ValueError("not a record of an answer") from None  # its text would quote the answer
