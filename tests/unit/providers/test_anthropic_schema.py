"""JSON schemas, as Anthropic's structured outputs and strict tools take them."""

from typing import Any

import pytest

from app.errors import NotForThisTarget
from app.providers.anthropic_request import anthropic_request
from app.providers.anthropic_schema import fitted_schema
from tests.unit.providers.ports import chat

TEXT = {"type": "string"}
LONG = {"type": "string", "maxLength": 9}


def fitted(schema: Any) -> Any:
    return fitted_schema(schema, "response_format")


def closed(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {}, **fields, "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 9}, '{"minimum":1,"maximum":9}'),
        (LONG, '{"maxLength":9}'),
        ({"type": "string", "pattern": "^a+$"}, '{"pattern":"^a+$"}'),
        ({"type": "string", "format": "color"}, '{"format":"color"}'),
        ({"type": "array", "items": TEXT, "minItems": 2, "maxItems": 3}, '{"minItems":2,"maxItems":3}'),
        ({"type": "array", "prefixItems": [TEXT]}, '{"prefixItems":[{"type":"string"}]}'),
        ({"enum": [{"a": 1}]}, '{"enum":[{"a":1}]}'),
    ],
)
def test_what_it_refuses_is_told_in_words(schema: dict[str, Any], told: str) -> None:
    kept: dict[str, Any] = {name: schema[name] for name in ("type", "items") if name in schema}
    assert fitted(schema) == {**kept, "description": f"JSON schema: {told}"}
    described = fitted({**schema, "description": "A thing."})
    assert described["description"] == f"A thing.\n\nJSON schema: {told}"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["string", "null"], "title": "T", "description": "D", "default": None},
        {"type": "string", "enum": ["a", None]},
        {"const": 1},
        {"type": "string", "format": "date-time"},
        {"type": "array", "items": TEXT, "minItems": 1},
        {"$ref": "#/$defs/a", "$defs": {"a": TEXT}},
        True,
    ],
)
def test_what_it_takes_stays(schema: Any) -> None:
    assert fitted(schema) == schema


def test_objects_are_closed_at_every_depth() -> None:
    inner = {"type": "object", "properties": {"minimum": LONG}, "required": ["minimum"]}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": ["object", "null"],
        "properties": {"list": {"type": "array", "items": inner}, "one": {"oneOf": [inner, {"$ref": "#/$defs/d"}]}},
        "additionalProperties": True,
        "$defs": {"d": {"properties": {}, "minProperties": 1}},
    }
    small = closed(properties={"minimum": fitted(LONG)}, required=["minimum"])
    assert fitted(schema) == {
        "type": ["object", "null"],
        "properties": {"list": {"type": "array", "items": small}, "one": {"anyOf": [small, {"$ref": "#/$defs/d"}]}},
        "additionalProperties": False,
        "$defs": {
            "d": {
                "properties": {},
                "additionalProperties": False,
                "description": 'JSON schema: {"minProperties":1}',
            }
        },
    }
    assert schema["additionalProperties"] is True  # it is checked against afterwards


@pytest.mark.parametrize("more", [{}, {"additionalProperties": TEXT}, {"properties": {}, "additionalProperties": True}])
def test_an_object_that_could_only_be_empty_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(NotForThisTarget) as caught:
        fitted(closed(properties={"map": {"type": "object", **more}}))
    assert caught.value.param == "response_format"
    assert fitted({"type": "object", "additionalProperties": False}) == {
        "type": "object",
        "additionalProperties": False,
    }
    assert fitted(closed()) == closed()


@pytest.mark.parametrize("strict", [True, False, None])
def test_a_tools_schema_is_fitted_where_it_is_strict(strict: bool | None) -> None:
    schema = {"type": "object", "properties": {"a": LONG}}
    function = {"name": "f", "parameters": schema, **({} if strict is None else {"strict": strict})}
    (tool,) = anthropic_request(
        chat(tools=[{"type": "function", "function": function}]), stream=False, max_output_tokens=9
    )["tools"]
    assert tool["input_schema"] == (fitted(schema) if strict else schema)


def test_the_answers_schema_is_fitted() -> None:
    schema = {"type": "object", "properties": {"a": LONG}}
    answer_format = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    request = anthropic_request(chat(response_format=answer_format), stream=False, max_output_tokens=9)
    assert request["output_config"]["format"] == {
        "type": "json_schema",
        "schema": closed(properties={"a": fitted(LONG)}),
    }
