"""Answers to `response_format`: is one what was asked for, what is wrong with it, and how to ask once more.

Pure functions. `check_schema` belongs where a request is read, the rest where its answer is. Of `format` (date, email)
nothing is checked, as the standard leaves it.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from app.errors import InvalidRequest
from app.guard.output.schema_bounds import SchemaRefused, check_bounds, check_size
from app.guard.output.schema_validator import TooMuchWork, first_error, validator_of
from app.recent import Recent

__all__ = ["TooMuchWork", "check_schema", "extracted", "problem", "repair_request"]

MAX_CHARACTERS = 500_000  # of an answer
MAX_SCHEMA_BYTES = 200_000
MAX_DEPTH = 64  # of its brackets
EXCERPT = 60  # characters of a value that are quoted
MAX_PROBLEM = 400  # characters
MAX_REPEATED = 20_000  # characters of the wrong answer that go back to the model
PARAM = "response_format.json_schema.schema"

_FENCE = re.compile(r"```[ \t]*(?:json[c5]?)?[ \t]*\r?\n(.*?)\r?\n?[ \t]*```", re.DOTALL | re.IGNORECASE)
_NOTHING_WRONG: Recent[bool] = Recent(256)  # digests of schemas that were checked


def check_schema(response_format: Mapping[str, Any]) -> None:
    """Raises InvalidRequest for a schema that is none, or that could cost too much to check. The wire's shape."""
    schema = _schema(response_format)
    if schema is None:
        return
    try:
        _check(schema)
    except SchemaRefused as refused:
        raise InvalidRequest(f"The JSON schema cannot be used: {refused}.", param=PARAM) from None


def problem(text: str, response_format: Mapping[str, Any]) -> str | None:
    """What is wrong with an answer, in one sentence for the model that wrote it; None when nothing is.

    The first thing only. Raises InvalidRequest as `check_schema` does, and TooMuchWork when schema and answer together
    cannot be checked in reasonable time (about a second). Most answers take well under 10 ms.
    """
    if response_format.get("type") not in ("json_object", "json_schema"):
        return None
    check_schema(response_format)
    wrong = _parsed_problem(text, response_format)
    return wrong if wrong is None or len(wrong) <= MAX_PROBLEM else wrong[: MAX_PROBLEM - 2] + "…."


def extracted(text: str) -> str:
    """The answer without what models put around JSON: white space, a byte-order mark, one code fence and the prose
    beside it. The text as it is where that is not clear."""
    bare = text.strip().removeprefix("\ufeff").strip()
    if bare[:1] in ("{", "[") or "```" not in bare or len(bare) > MAX_CHARACTERS:
        return bare
    blocks = _FENCE.findall(bare)
    return blocks[0].strip() if len(blocks) == 1 else bare


def repair_request(
    messages: Sequence[Mapping[str, Any]], answer: str, problem: str, schema: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The messages that ask the model for the answer once more, saying what is wrong. `schema`: said again as well."""
    wrong = answer if len(answer) <= MAX_REPEATED else answer[:MAX_REPEATED] + "…"
    wanted = "Answer again with the corrected JSON alone: no explanation and no code fence."
    if schema is not None and len(said := json.dumps(schema)) <= MAX_REPEATED:
        wanted += f" It must be valid under this JSON schema:\n{said}"
    return [
        *map(dict, messages),
        {"role": "assistant", "content": wrong or "(nothing)"},
        {"role": "user", "content": f"That answer cannot be used: {problem} {wanted}"},
    ]


def _schema(response_format: Mapping[str, Any]) -> Any:
    described = response_format.get("json_schema")
    if response_format.get("type") != "json_schema" or not isinstance(described, Mapping):
        return None
    return described.get("schema")


def _check(schema: Any) -> None:
    check_size(schema)
    said = json.dumps(schema, sort_keys=True).encode()
    if len(said) > MAX_SCHEMA_BYTES:
        raise SchemaRefused(f"it is longer than {MAX_SCHEMA_BYTES} characters")
    key = hashlib.blake2b(said, digest_size=16).hexdigest()
    if _NOTHING_WRONG.get(key):
        return
    check_bounds(schema)
    validator_of(schema)
    _NOTHING_WRONG.put(key, True)


def _parsed_problem(text: str, response_format: Mapping[str, Any]) -> str | None:
    if len(text) > MAX_CHARACTERS:
        return f"The answer is longer than {MAX_CHARACTERS} characters."
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_number)
    except json.JSONDecodeError as error:
        return _not_json(text, error)
    except (ValueError, RecursionError):
        return "The answer is not JSON: it holds NaN, Infinity, or a number too long, or is nested too deeply."
    if _depth(value) > MAX_DEPTH:
        return f"The answer is nested deeper than {MAX_DEPTH}."
    if response_format["type"] == "json_object":
        return None if isinstance(value, dict) else f"The answer must be a JSON object, not {_kind(value)}."
    schema = _schema(response_format)
    wrong = first_error(schema, value) if schema is not None else None
    return None if wrong is None else f"At {_where(wrong.absolute_path)}: {_reason(wrong)}."


def _not_json(text: str, error: json.JSONDecodeError) -> str:
    if not text.strip():
        return "The answer is empty."
    if text.strip() != extracted(text):
        return "The answer is not JSON alone: it stands in a code fence."
    near = text[error.pos : error.pos + EXCERPT // 2]
    place = f"before {json.dumps(near, ensure_ascii=False)}" if near else "at its end"
    return f"The answer is not JSON: {error.msg.lower()} in line {error.lineno}, column {error.colno}, {place}."


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _number(text: str) -> int | float:
    """1.0 is the integer 1, as JSON Schema has it."""
    number = float(text)
    return int(number) if number.is_integer() else number


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level:
        level = [
            child
            for each in level
            if isinstance(each, dict | list)
            for child in (each.values() if isinstance(each, dict) else each)
        ]
        deepest += 1
    return deepest


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")


def _where(path: Any) -> str:
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{_cut(step)}" for step in path)
    return f"${steps}"[:160]


def _cut(text: str) -> str:
    return text if len(text) <= EXCERPT else text[:EXCERPT] + "…"


def _quoted(value: Any) -> str:
    return _cut(json.dumps(value, ensure_ascii=False))


def _reason(error: Any) -> str:
    """Our own words: jsonschema's hold the whole value."""
    keyword, wanted, value = error.validator, error.validator_value, error.instance
    match keyword:
        case "type":
            kinds = " or ".join([wanted] if isinstance(wanted, str) else wanted)
            return f"must be of type {kinds}, not {_kind(value)}"
        case "required":
            return f"lacks the property {_quoted(next(name for name in wanted if name not in value))}"
        case "additionalProperties":
            return f"has the property {_quoted(error.message)}, which is not allowed"
        case "enum":
            return f"must be one of {_quoted(wanted)}, not {_quoted(value)}"
        case "anyOf" | "oneOf":
            return f"{_quoted(value)} is valid under none (or more than one) of the alternatives of {keyword}"
        case "uniqueItems":
            return "must not have equal items"
        case None:
            return f"{_quoted(value)} is not allowed"
        case "not" | "if" | "contains" | "propertyNames" | "dependencies" | "dependentRequired" | "items":
            return f"{_quoted(value)} breaks the schema's {keyword}"
    return f"{_quoted(value)} breaks {keyword}: {_quoted(wanted)}"
