"""The configuration reference, written from the models: `python -m app.config.reference`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from app.config.policy import Policy, RailSettings
from app.config.settings import sections_within
from app.config.stack import StackConfig

INTRODUCTION = """\
# Configuration

<!-- Made by `make config-reference` from the models in app/config; a test holds it to them. -->

A stack is described by the `args` of the file that `serve run` takes: `deployments/laptop.yaml` for one
machine, `deployments/gpu.yaml` for a cluster. All of it is validated before anything starts. An unknown key,
a unit in the wrong place or a combination that cannot work is refused with the key's path and what to do.

Units stand in the names: `_s` is seconds, `_ms` milliseconds, `_mb` megabytes. Relative directories lie in
`home`.

Secrets are not configuration. They come from the environment, or from files in `home` that only their owner
can read: `SEXTANT_API_KEY` or `api_key`, the key of the default tenant; `SEXTANT_ADMIN_KEY` or
`admin_key`, the key of the admin routes; `SEXTANT_SECRET` or `secret`, the key of all keyed hashes. `make serve` makes
all of them. `SEXTANT_HOME` names the state directory, `SEXTANT_PORT` the port of
`make serve`.
"""


def reference() -> str:
    """The whole page, in Markdown."""
    return INTRODUCTION + "".join(_section("", StackConfig, set()))


def _section(path: str, model: type[BaseModel], told: set[type[BaseModel]]) -> Iterator[str]:
    title = f"`{path}`" if path else "The stack"
    yield f"\n## {title}\n\n{(model.__doc__ or '').strip()}\n\n"
    yield "| key | type | default | meaning |\n| --- | --- | --- | --- |\n"
    nested: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        yield f"| `{name}` | {_type(field.annotation)} | {_default(field)} | {_cell(field.description or '')} |\n"
        for inner in sections_within(field.annotation):
            nested.append((f"{path}.{name}{_suffix(field.annotation)}".lstrip("."), inner))
    for inner_path, inner_model in nested:
        if issubclass(inner_model, Policy | RailSettings):  # the same at many places
            if inner_model in told:
                continue
            told.add(inner_model)
            inner_path += f" with rail: {inner_model.model_fields['rail'].default}" if is_rail(inner_model) else ""
        yield from _section(inner_path, inner_model, told)


def is_rail(model: type[BaseModel]) -> bool:
    """Whether it is one of the rails of a policy."""
    return issubclass(model, RailSettings)


def _type(annotation: Any) -> str:
    if get_origin(annotation) is not Annotated and type(None) in get_args(annotation):
        return " or ".join(_type(arg) for arg in get_args(annotation) if arg is not type(None))
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is tuple:
        return "list of rails" if len(sections_within(annotation)) > 1 else f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"map of {_type(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    if origin is not None and all(isinstance(a, str) for a in arguments):
        return " or ".join(f"`{a}`" for a in arguments)
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path", Any: "any"}
    return names.get(annotation, "number")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is PydanticUndefined or isinstance(field.default, BaseModel):
        return ""
    value = field.default
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        named = [f"{each.name} ({each.mode})" if isinstance(each, RailSettings) else str(each) for each in value]
        return f"`{', '.join(named)}`" if value else "none"
    return f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _suffix(annotation: Any) -> str:
    origin = get_origin(annotation)
    return "[]" if origin is tuple else ".<name>" if origin is dict else ""


if __name__ == "__main__":
    print(reference(), end="")
