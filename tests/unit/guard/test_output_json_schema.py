"""Answers to response_format: what is wrong is told, repaired once, and a hostile schema costs about a second."""

import json
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from app.errors import InvalidRequest
from app.guard.output.json_schema import (
    MAX_PROBLEM,
    TooMuchWork,
    check_schema,
    extracted,
    problem,
    repair_request,
)
from app.guard.output.schema_keywords import wrong_keyword

ORDER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "email": {"type": "string", "pattern": r"^[^@\s]+@[^@\s]+$"},
        "state": {"enum": ["open", "shipped"]},
        "items": {"type": "array", "items": {"$ref": "#/$defs/item"}, "uniqueItems": True},
    },
    "required": ["id", "state"],
    "additionalProperties": False,
    "$defs": {"item": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
}
TREE = {
    "type": "object",
    "properties": {"value": {"type": "number"}, "children": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["value"],
}


def asked(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


@pytest.mark.parametrize(
    "value",
    [
        {"id": 1, "state": "open"},
        {"id": 1.0, "state": "open", "email": "a@b.example", "items": [{"name": "x"}, {"name": "y"}]},
    ],
)
def test_valid_answer_has_no_problem(value: Any) -> None:
    assert problem(json.dumps(value), asked(ORDER)) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "The answer is empty."),
        ("Sure!", "The answer is not JSON: expecting value in line 1, column 1, before \"Sure!\"."),
        ('{"id": 1,', "The answer is not JSON: expecting property name enclosed in double quotes in line 1, column"),
        ('```json\n{"id": 1}\n```', "The answer is not JSON alone: it stands in a code fence."),
        ('{"id": NaN}', "The answer is not JSON: it holds NaN"),
        ("[" * 5000, "The answer is not JSON"),
        ('{"id": ' + "9" * 5000 + "}", "The answer is not JSON: it holds NaN, Infinity, or a number too long"),
        ("[]", "At $: must be of type object, not an array."),
        ('{"state": "open"}', 'At $: lacks the property "id".'),
        ('{"id": "1", "state": "open"}', "At $.id: must be of type integer, not a string."),
        ('{"id": true, "state": "open"}', "At $.id: must be of type integer, not a boolean."),
        ('{"id": 0, "state": "open"}', "At $.id: 0 breaks minimum: 1."),
        ('{"id": 1, "state": "lost"}', 'At $.state: must be one of ["open", "shipped"], not "lost".'),
        ('{"id": 1, "state": "open", "x": 1}', 'At $: has the property "x", which is not allowed.'),
        ('{"id": 1, "state": "open", "items": [{"name": "a"}, {}]}', 'At $.items[1]: lacks the property "name".'),
        ('{"id": 1, "state": "open", "items": [{"name": "a"}, {"name": "a"}]}', "At $.items: must not have equal"),
        ('{"id": 1, "state": "open", "email": "none"}', 'At $.email: "none" breaks pattern: "^[^@\\\\s]+@['),
    ],
)  # fmt: skip
def test_first_thing_wrong_is_told_in_a_sentence(text: str, told: str) -> None:
    said = problem(text, asked(ORDER))
    assert said is not None
    assert said.startswith(told)


def test_problem_is_short_and_holds_only_an_excerpt() -> None:
    secret = "s" * 100_000
    for text in (
        json.dumps({"id": 1, "state": secret}),
        json.dumps({"id": 1, "state": "open", secret: 1}),
        "{" + secret,
    ):
        said = problem(text, asked(ORDER))
        assert said is not None
        assert len(said) <= MAX_PROBLEM
        assert "s" * 70 not in said


def test_json_object_takes_any_object_and_text_takes_all() -> None:
    wanted = {"type": "json_object"}
    assert problem('{"a": [1]}', wanted) is None
    assert problem("[1]", wanted) == "The answer must be a JSON object, not an array."
    assert problem("Hello", {"type": "text"}) is None
    assert problem("[1]", {"type": "json_schema", "json_schema": {"name": "any"}}) is None


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ('```json\n{"a": 1}\n```', '{"a": 1}'),
        ('```\n{"a": 1}\n```', '{"a": 1}'),
        ('Here it is:\n\n```JSON\r\n{"a": 1}\r\n```\nAnything else?', '{"a": 1}'),
        ('\ufeff {"a": "```"} \n', '{"a": "```"}'),
        ("```json\n1\n```\n```json\n2\n```", "```json\n1\n```\n```json\n2\n```"),
        ("```json\n{", "```json\n{"),
        ("", ""),
    ],
)
def test_json_is_taken_out_of_one_fence(text: str, inner: str) -> None:
    assert extracted(text) == inner


def test_extracting_is_linear() -> None:
    for text in ("```" * 160_000, "```json\n" * 60_000, " " * 500_000, "a```\n" * 90_000):
        started = time.perf_counter()
        extracted(text)
        assert time.perf_counter() - started < 1


def test_repair_asks_once_with_the_answer_and_the_problem() -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Order 7?"}]
    asked_again = repair_request(messages, "{}", 'At $: lacks the property "id".', ORDER)
    assert asked_again[:2] == messages
    assert asked_again[2] == {"role": "assistant", "content": "{}"}
    assert asked_again[3]["role"] == "user"
    assert 'lacks the property "id"' in asked_again[3]["content"]
    assert '"uniqueItems": true' in asked_again[3]["content"]
    assert len(repair_request(messages, "x" * 10**6, "p")[2]["content"]) < 21_000
    assert repair_request([], "", "The answer is empty.")[0]["content"] == "(nothing)"


def nested(depth: int) -> Any:
    schema: Any = {"type": "string"}
    for _ in range(depth):
        schema = {"properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ([], "not an object"),
        ({"type": "strnig"}, 'type cannot be "strnig"'),
        ({"properties": {"a": {"minimum": "1"}}}, 'minimum cannot be "1"'),
        ({"exclusiveMinimum": True}, "exclusiveMinimum cannot be true"),
        ({"items": [{}]}, "prefixItems"),
        ({"properties": {"a": 1}}, "properties cannot be"),
        ({"anyOf": []}, "anyOf cannot be []"),
        ({"type": {}}, "type cannot be {}"),
        ({"required": [1]}, "required cannot be"),
        ({"multipleOf": 0}, "multipleOf cannot be 0"),
        ({"allOf": [{"pattern": 1}]}, "pattern cannot be 1"),
        ({"$ref": "https://example.com/schema.json"}, "only references within"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "only references within"),
        ({"$ref": "#/$defs/none"}, "points at no schema"),
        ({"$ref": "#/x", "x": {"type": 5}}, "points at no schema"),
        ({"$ref": "#/enum/0", "enum": [{"pattern": "(?=a)"}]}, "points at no schema"),
        ({"$ref": "#"}, "leads back to itself"),
        ({"anyOf": [{"type": "string"}, {"$ref": "#"}]}, "leads back to itself"),
        ({"not": {"$ref": "#/$defs/a"}, "$defs": {"a": {"if": {"$ref": "#/$defs/a"}}}}, "leads back"),
        ({"$dynamicRef": "#a"}, "$dynamicRef is not supported"),
        ({"unevaluatedProperties": False}, "unevaluatedProperties is not supported"),
        ({"properties": {"a": {"$id": "https://example.com/b"}}}, "$id"),
        ({"$schema": "https://example.com/mine"}, "its $schema"),
        ({"pattern": "(?=a)b"}, "none of RE2's"),
        ({"patternProperties": {"(a)\\1": {}}}, "none of RE2's"),
        ({"pattern": "((a{1000}){1000}){1000}"}, "none of RE2's"),
        ({"pattern": "a" * 2000}, "longer than"),
        ({"pattern": "\ud800"}, "none of RE2's"),
        (nested(30), "nested deeper"),
        ({"enum": list(range(20_000))}, "more than 10000 parts"),
        ({"description": "x" * 300_000}, "longer than"),
    ],
)  # fmt: skip
def test_schema_that_cannot_be_used_is_refused_when_it_is_asked_for(schema: Any, why: str) -> None:
    with pytest.raises(InvalidRequest, match="JSON schema cannot be used") as refused:
        check_schema(asked(schema))
    assert why in str(refused.value)
    assert refused.value.param == "response_format.json_schema.schema"
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    "schema",
    [
        ORDER,
        TREE,
        nested(22),
        {},
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {"type": "string"}},
         "properties": {"x": {"$ref": "#/definitions/a"}, "$ref": {"type": "string"}, "$id": {"type": "integer"}}},
        {"$id": "https://example.com/order", "$ref": "#/$defs/a~1b", "$defs": {"a/b": {"const": 1}}},
        {"format": "regex", "pattern": r"^\p{L}+$"},
    ],
)  # fmt: skip
def test_usual_schemas_are_taken(schema: Any) -> None:
    check_schema(asked(schema))
    problem("{}", asked(schema))


def test_property_names_that_look_like_keywords_are_names() -> None:
    schema = {"properties": {"$ref": {"type": "string"}, "pattern": {"type": "integer"}}}
    assert problem('{"$ref": "(?=", "pattern": 3}', asked(schema)) is None
    assert problem('{"pattern": "x"}', asked(schema)) == "At $.pattern: must be of type integer, not a string."


def test_draft_07_is_read_as_such() -> None:
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}, {"type": "integer"}]}
    assert problem('["a", 1]', asked(schema)) is None
    assert problem('["a", "b"]', asked(schema)) == "At $[1]: must be of type integer, not a string."


def test_recursive_schema_follows_the_answer_as_deep_as_it_goes() -> None:
    tree: dict[str, Any] = {"value": 1, "children": []}
    for _ in range(20):
        tree = (
            {"value": 1, "children": [tree, tree]} if len(json.dumps(tree)) < 2000 else {"value": 1, "children": [tree]}
        )
    assert problem(json.dumps(tree), asked(TREE)) is None
    deep = '{"value": 1, "children": [' * 200 + "]}" * 200
    assert problem(deep, asked(TREE)) == "The answer is nested deeper than 64."


def _doubling(levels: int) -> dict[str, Any]:
    definitions = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{levels}": {"type": "object"}}}


HOSTILE: dict[str, Callable[[], tuple[Any, str]]] = {
    "catastrophic pattern": lambda: ({"pattern": "^(a+)+$"}, json.dumps("a" * 50_000 + "!")),
    "catastrophic property names": lambda: (
        {"patternProperties": {"^(a|a)*$": {}}, "additionalProperties": False}, json.dumps({"a" * 5000 + "!": 1})
    ),
    "name patterns": lambda: ({"propertyNames": {"pattern": "(x+x+)+y"}}, json.dumps({"x" * 50_000: 1})),
    "unique objects": lambda: ({"uniqueItems": True}, json.dumps([{"a": i} for i in range(30_000)])),
    "large values in messages": lambda: ({"anyOf": [{"type": "string"}] * 4000}, json.dumps([0] * 100_000)),
    "long lists": lambda: ({"items": {"enum": [f"e{i}" for i in range(9000)]}}, json.dumps(["x"] * 60_000)),
    "huge numbers": lambda: ({"multipleOf": 1e-300}, "1e308"),
    "infinite number": lambda: ({"multipleOf": 0.1}, "1e999"),
    "integer past floats": lambda: ({"multipleOf": 0.3}, "9" * 4000),
    "many properties": lambda: (
        {"items": {"required": [f"p{i}" for i in range(5000)]}}, json.dumps([{}] * 50_000)
    ),
    "deep recursion": lambda: (
        {"anyOf": [{"type": "array", "items": {"$ref": "#"}}, {"allOf": [{"type": "null"}]}]},
        "[" * 60 + "]" * 60,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_schema_neither_hangs_nor_breaks(name: str) -> None:
    schema, text = HOSTILE[name]()
    started = time.perf_counter()
    try:
        check_schema(asked(schema))
        problem(text, asked(schema))
    except (InvalidRequest, TooMuchWork):
        pass
    assert time.perf_counter() - started < 4  # a second on a quiet machine


def test_what_is_taken_is_what_the_drafts_own_schemas_take() -> None:
    """jsonschema's word on each case, for all keywords and odd values."""
    import jsonschema

    values: list[Any] = [None, True, 0, -1, 1.5, 2.0, "", "string", [], ["string"], [1], [{}], [True], {}, {"a": {}},
                         {"a": 1}, {"a": ["b"]}, {"a": [1]}, ["string", "null"]]  # fmt: skip
    keywords = [
        "type", "enum", "const", "multipleOf", "minimum", "exclusiveMaximum", "minLength", "maxItems", "minContains",
        "pattern", "format", "uniqueItems", "required", "dependentRequired", "not", "if", "additionalProperties",
        "items", "contains", "propertyNames", "allOf", "oneOf", "prefixItems", "properties", "$defs", "x-own",
        "dependentSchemas",
    ]  # fmt: skip
    for keyword in keywords:
        for value in values:
            try:
                jsonschema.Draft202012Validator.check_schema({keyword: value}, format_checker=None)
                valid = True
            except jsonschema.SchemaError:
                valid = False
            assert (wrong_keyword({keyword: value}, items_may_be_list=False) is None) == valid, (keyword, value)


def test_work_without_end_is_given_up() -> None:
    with pytest.raises(TooMuchWork):
        problem("{}", asked(_doubling(40)))
    assert problem("{}", asked(_doubling(6))) is None


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a request went out")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    assert (
        problem("1", asked({"$id": "https://example.com/x", "$ref": "#/$defs/a", "$defs": {"a": {"const": 1}}})) is None
    )


@pytest.mark.parametrize("text", ["\ud800", "\x00", '{"id": "\\ud800", "state": "open"}', '"\ud800"', "\u200b" * 1000])
def test_odd_characters_give_a_problem(text: str) -> None:
    assert problem(text, asked(ORDER))


def test_lone_surrogate_is_held_against_a_pattern() -> None:
    assert problem('"\\ud800"', asked({"pattern": "^a$"})) is not None


def test_regular_expressions_are_res_own() -> None:
    """Python's `re` is not asked: it would take this for no match, and catastrophic ones for hours."""
    assert problem('"é"', asked({"pattern": r"^\p{L}$"})) is None


def test_jsonschema_is_imported_when_it_is_needed() -> None:
    import subprocess

    code = "import sys, app.guard.output.json_schema; assert not {'jsonschema', 're2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
