"""A configuration that cannot be right, told so that the reader knows what to change."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from app.config.settings import section_within


class ConfigError(ValueError):
    """One or more settings are wrong. `str()` gives a line for each: path, problem, remedy."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("Configuration refused:\n" + "\n".join(f"  - {p}" for p in self.problems))


def explain(error: ValidationError, root: type[BaseModel]) -> ConfigError:
    """Translate pydantic's report into sentences with the key's path."""
    items = error.errors(include_url=False)
    # A list whose only member was refused is also reported as too short: say it once.
    places = [item["loc"] for item in items]
    told = [
        item
        for item in items
        if not (
            item["type"] == "too_short"
            and any(len(place) > len(item["loc"]) and place[: len(item["loc"])] == item["loc"] for place in places)
        )
    ]
    return ConfigError(_sentence(item, root) for item in told)


def _has_within(places: list[tuple[str | int, ...]], outer: tuple[str | int, ...]) -> bool:
    return any(place != outer and place[: len(outer)] == outer for place in places)


def _sentence(item: Mapping[str, Any], root: type[BaseModel]) -> str:
    location = tuple(item["loc"])
    path = _dotted(location)
    kind, value = item["type"], item.get("input")
    if kind == "extra_forbidden":
        name = str(location[-1])
        known = _known_fields(root, location[:-1])
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.6) or [
            field for field in known if field.startswith(f"{name}_")
        ]
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(sorted(known))}"
        return f"{path}: unknown key; {hint}"
    if kind == "missing":
        return f"{path}: missing; add it"
    message = str(item["msg"]).removeprefix("Value error, ")
    unit = _unit(str(location[-1])) if location else None
    if unit and isinstance(value, str):
        return f"{path}: {value!r} is not a number; the unit is in the name, so give {unit} as a bare number"
    if kind == "value_error":
        return f"{path}: {message}" if path else message
    return f"{path}: {message[0].lower()}{message[1:]} (got {value!r})"


def _dotted(location: tuple[str | int, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _unit(name: str) -> str | None:
    suffixes = {"_s": "seconds", "_ms": "milliseconds", "_mb": "megabytes", "_bytes": "bytes"}
    return next((unit for suffix, unit in suffixes.items() if name.endswith(suffix)), None)


def _known_fields(root: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    """Field names of the model that `location` leads to."""
    model = root
    for part in location:
        if isinstance(part, int) or part not in model.model_fields:
            continue
        nested = section_within(model.model_fields[part].annotation)
        if nested is not None:
            model = nested
    return list(model.model_fields)
