"""What each keyword of a JSON schema takes.

The drafts' own schemas say the same, but to hold a schema against them takes jsonschema 0.3 ms for each of its parts:
seconds for the largest schemas that are let in.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

_TYPES = frozenset("null boolean object array number string integer".split())


def is_schema(value: Any) -> bool:
    """An object, or true or false for all and nothing."""
    return isinstance(value, Mapping | bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and (isinstance(value, int) or value.is_integer())


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_type(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(each, str) and each in _TYPES for each in value)
    return isinstance(value, str) and value in _TYPES


def _are_schemas(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_schema, value))


def _are_named_schemas(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(is_schema, value.values()))


def _are_dependencies(value: Any) -> bool:
    return isinstance(value, Mapping) and all(is_schema(each) or _are_names(each) for each in value.values())


def _are_named_names(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_are_names, value.values()))


_TAKES: Mapping[str, Callable[[Any], bool]] = {
    "type": _is_type,
    "enum": lambda value: isinstance(value, list),
    "multipleOf": lambda value: _is_number(value) and value > 0,
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number),
    **dict.fromkeys(
        (
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minProperties",
            "maxProperties",
            "minContains",
            "maxContains",
        ),
        _is_count,
    ),
    **dict.fromkeys(("pattern", "$ref", "$id", "$schema", "format"), _is_text),
    "uniqueItems": lambda value: isinstance(value, bool),
    "required": _are_names,
    "dependentRequired": _are_named_names,
    "dependencies": _are_dependencies,
    **dict.fromkeys(
        ("not", "if", "then", "else", "additionalProperties", "additionalItems", "contains", "propertyNames"), is_schema
    ),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), _are_schemas),
    **dict.fromkeys(
        ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"), _are_named_schemas
    ),
}


def wrong_keyword(schema: Mapping[str, Any], *, items_may_be_list: bool) -> str | None:
    """What is wrong with a keyword of this schema, nothing below it; None when nothing is."""
    for keyword, value in schema.items():
        takes = _TAKES.get(keyword)
        if keyword == "items":
            if not is_schema(value) and not (
                items_may_be_list and isinstance(value, list) and all(map(is_schema, value))
            ):
                return "items must be a schema (a list of them is prefixItems)"
        elif takes is not None and not takes(value):
            return f"{keyword} cannot be {json.dumps(value)[:60]}"
    return None
