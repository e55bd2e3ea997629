"""A JSON schema as Anthropic's structured outputs and strict tools take it: a part of the standard, the rest is a 400.

What is left out is told in the description beside it, which the model reads; only the rail `json_schema` checks an
answer by the whole schema. Objects are closed, which leaves fewer answers, all of them valid; `oneOf` becomes `anyOf`.
What they take: https://platform.claude.com/docs/en/build-with-claude/structured-outputs
"""

from typing import Any

import orjson

from app.errors import NotForThisTarget

_TAKEN = frozenset({"type", "title", "description", "default", "required", "$ref"})
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"})
_NAMED = frozenset({"properties", "$defs", "definitions"})  # schemas by name
_COMBINED = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}  # lists of schemas
_UNTOLD = frozenset({"$schema", "$id", "$comment", "additionalProperties"})
_BESIDE_REFERENCE = frozenset({"$ref", "$defs", "definitions"})


def fitted_schema(schema: Any, param: str) -> Any:
    """What they take of a schema. Raises NotForThisTarget for an object with names of its own choice: closed, it would
    be empty.

    `param`: the field of the request that it stands in.
    """
    if not isinstance(schema, dict):
        return schema  # true or false
    if "$ref" in schema:
        schema = {keyword: value for keyword, value in schema.items() if keyword in _BESIDE_REFERENCE}
    fitted: dict[str, Any] = {}
    left_out: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _NAMED and isinstance(value, dict):
            fitted[keyword] = {name: fitted_schema(part, param) for name, part in value.items()}
        elif keyword == "items" and isinstance(value, dict):
            fitted[keyword] = fitted_schema(value, param)
        elif keyword in _COMBINED and isinstance(value, list) and not (keyword == "oneOf" and "anyOf" in schema):
            fitted[_COMBINED[keyword]] = [fitted_schema(part, param) for part in value]
        elif _is_taken(keyword, value):
            fitted[keyword] = value
        elif keyword not in _UNTOLD:
            left_out[keyword] = value
    if _is_object(schema):
        if _has_any_names(schema):
            raise NotForThisTarget("this model's JSON has objects of named properties only", param=param)
        fitted["additionalProperties"] = False
    if left_out:
        fitted["description"] = _telling(left_out, fitted.get("description"))
    return fitted


def _is_taken(keyword: str, value: Any) -> bool:
    match keyword:
        case "enum":
            return isinstance(value, list) and bool(value) and all(map(_is_plain, value))
        case "const":
            return _is_plain(value)
        case "format":
            return isinstance(value, str) and value in _FORMATS
        case "minItems":
            return value in (0, 1)
        case _:
            return keyword in _TAKEN


def _is_plain(value: Any) -> bool:
    return not isinstance(value, dict | list)


def _is_object(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema


def _has_any_names(schema: dict[str, Any]) -> bool:
    """Whether an object has no properties but those that an answer thinks of."""
    if schema.get("properties") or any(keyword in schema for keyword in _COMBINED):
        return False
    return schema.get("additionalProperties", "properties" not in schema) is not False


def _telling(left_out: dict[str, Any], description: Any) -> str:
    told = f"JSON schema: {orjson.dumps(left_out).decode()}"
    return f"{description}\n\n{told}" if description else told
