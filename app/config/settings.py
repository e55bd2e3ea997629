"""The base of every configuration model: frozen, closed, and with described fields."""

from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field

# Units stand in the field's name (`_s`, `_ms`, `_mb`); these types only bound the number.
Seconds = Annotated[float, Field(gt=0, le=86_400 * 366)]
Milliseconds = Annotated[float, Field(gt=0, le=600_000)]
Megabytes = Annotated[int, Field(ge=1, le=1_048_576)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Settings(BaseModel):
    """A section of the configuration. Unknown keys and changes after start are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


def section_within(annotation: Any) -> type[BaseModel] | None:
    """The configuration section that a field's type holds: itself, listed, mapped or optional."""
    return next(iter(sections_within(annotation)), None)


def sections_within(annotation: Any) -> list[type[BaseModel]]:
    """All that it may hold: several where one of them is chosen by a field of its own."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for arg in get_args(annotation) for found in sections_within(arg)]
