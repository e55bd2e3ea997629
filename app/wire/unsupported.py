"""What a dialect knows and this stack does not: refused with a sentence and the parameter's path."""

from collections.abc import Mapping
from typing import Any, LiteralString

from pydantic import BeforeValidator, Discriminator, Tag
from pydantic_core import PydanticCustomError


def refused(sentence: LiteralString, *, but: tuple[object, ...] = ()) -> BeforeValidator:
    """A validator that takes null and the values in `but`, which ask for what happens anyway."""

    def check(value: object) -> object:
        # By type too: to Python 0 is False.
        if value is not None and not any(type(value) is type(other) and value == other for other in but):
            raise PydanticCustomError("unsupported", sentence)
        return value

    return BeforeValidator(check)


def kind(name: str) -> Tag:
    """Marks a branch of a union that is told by `type`. pydantic puts the mark into an error's location,
    where its brackets say that it is no field of the client's."""
    return Tag(_mark(name))


def told_by_type(sentence: LiteralString, default: str | None = None) -> Discriminator:
    """Picks the branch by the value's `type`; `sentence` answers a type that is no branch."""

    def mark(value: object) -> str:
        name: Any = value.get("type", default) if isinstance(value, Mapping) else getattr(value, "type", default)
        return _mark(name)

    return Discriminator(mark, custom_error_type="unsupported", custom_error_message=sentence)


def _mark(name: object) -> str:
    return f"[{name}]"
