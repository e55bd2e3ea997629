"""Which JSON schemas are taken: they are the client's, so nothing in one may cost more than it is worth.

Refused, with what is wrong: more than a size, references to elsewhere, references that lead back to themselves without
a step into the value, keywords that reach across (`$dynamicRef`, `unevaluatedProperties`), regular expressions that
RE2 does not know.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from app.guard.output.schema_keywords import wrong_keyword

MAX_NODES = 10_000  # objects, arrays and values of a schema
MAX_DEPTH = 48  # of brackets; two for each level of objects that it describes
MAX_PATTERN = 1000  # characters
RE2_MEMORY_BYTES = 1 << 20  # of one compiled expression

_ONE = ("not", "if", "then", "else", "additionalProperties", "additionalItems", "contains", "propertyNames")
_MANY = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
# Applied to the value itself, not to something in it.
_IN_PLACE = frozenset(("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"))
_REFUSED = frozenset(
    ("$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef", "$vocabulary",
     "unevaluatedItems", "unevaluatedProperties")
)  # fmt: skip

Schema = Mapping[str, Any]


class SchemaRefused(ValueError):
    """The schema cannot be used here. The message says why."""


@lru_cache(maxsize=512)
def expression(pattern: str) -> Any:
    """A compiled RE2 expression: linear time. Raises SchemaRefused."""
    import re2

    options = re2.Options()
    options.log_errors, options.max_mem = False, RE2_MEMORY_BYTES
    try:
        if len(pattern) > MAX_PATTERN:
            raise SchemaRefused(f"a regular expression is longer than {MAX_PATTERN} characters")
        return re2.compile(pattern, options)
    except (re2.error, UnicodeError):
        raise SchemaRefused(
            f"the regular expression {pattern[:60]!r} is none of RE2's (no look-around, no back-references)"
        ) from None


def check_bounds(schema: Any) -> None:
    """What it holds. Raises SchemaRefused."""
    if not isinstance(schema, Mapping):
        raise SchemaRefused("it is not an object")
    found: dict[int, Schema] = {}
    waiting: list[Schema] = [schema]
    older = "$schema" in schema and "2020-12" not in str(schema["$schema"])
    while waiting:
        each = waiting.pop()
        if id(each) not in found:
            found[id(each)] = each
            _check_keywords(each, is_root=each is schema, older=older)
            waiting += [child for _, child in _children(each)]
    in_place = {key: _in_place(each, schema, found) for key, each in found.items()}
    _check_cycles(in_place)


def check_size(schema: Any) -> None:
    """How much it is. Raises SchemaRefused."""
    nodes, waiting = 0, [(schema, 1)]
    while waiting:
        each, depth = waiting.pop()
        nodes += 1
        if nodes > MAX_NODES:
            raise SchemaRefused(f"it has more than {MAX_NODES} parts")
        if depth > MAX_DEPTH:
            raise SchemaRefused(f"it is nested deeper than {MAX_DEPTH}")
        if isinstance(each, Mapping):
            waiting += [(value, depth + 1) for value in each.values()]
        elif isinstance(each, list):
            waiting += [(value, depth + 1) for value in each]


def _check_keywords(schema: Schema, *, is_root: bool, older: bool) -> None:
    refused = _REFUSED & schema.keys()
    if refused:
        raise SchemaRefused(f"{min(refused)} is not supported")
    if not is_root and "$id" in schema:
        raise SchemaRefused("$id is supported at its top only")
    wrong = wrong_keyword(schema, items_may_be_list=older)
    if wrong is not None:
        raise SchemaRefused(wrong)
    if "pattern" in schema:
        expression(schema["pattern"])
    for pattern in schema.get("patternProperties", ()):
        expression(pattern)


def _children(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Each schema right below, and by which keyword."""
    for keyword in _ONE:
        yield from _schemas(keyword, [schema.get(keyword)])
    for keyword in _MANY:
        yield from _schemas(keyword, schema.get(keyword))
    for keyword in (*_NAMED, "dependencies"):
        named = schema.get(keyword)
        yield from _schemas(keyword, list(named.values()) if isinstance(named, Mapping) else [])
    items = schema.get("items")  # a schema, or in older drafts a list of them
    yield from _schemas("items", items if isinstance(items, list) else [items])


def _schemas(keyword: str, values: Any) -> Iterator[tuple[str, Schema]]:
    if isinstance(values, list):
        yield from ((keyword, value) for value in values if isinstance(value, Mapping))


def _in_place(schema: Schema, root: Schema, known: Mapping[int, Schema]) -> list[int]:
    """The schemas that a value is held against together with this one."""
    found = [id(child) for keyword, child in _children(schema) if keyword in _IN_PLACE]
    if "$ref" in schema:
        target = _resolve(schema["$ref"], root)
        if isinstance(target, bool):
            return found
        if id(target) not in known:
            raise SchemaRefused(f"$ref {str(schema['$ref'])[:80]!r} points at no schema in it")
        found.append(id(target))
    return found


def _resolve(reference: Any, root: Schema) -> Any:
    """What a JSON pointer (RFC 6901) points at; None for nothing."""
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        raise SchemaRefused(f"$ref {str(reference)[:80]!r}: only references within the schema (#/...) are followed")
    if "%" in reference:
        raise SchemaRefused(f"$ref {reference[:80]!r} is percent-encoded; name the definition without such characters")
    at: Any = root
    for step in reference.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(at, Mapping):
            at = at.get(step)
        elif isinstance(at, list) and step.isascii() and step.isdigit() and int(step[:9]) < len(at):
            at = at[int(step[:9])]
        else:
            return None
    return at


def _check_cycles(edges: Mapping[int, list[int]]) -> None:
    """A schema that is held against a value it has been held against already would never come to an end."""
    done: set[int] = set()
    for start in edges:
        path: set[int] = set()
        stack: list[tuple[int, bool]] = [(start, False)]
        while stack:
            node, left = stack.pop()
            if left:
                path.discard(node)
                done.add(node)
            elif node in path:
                raise SchemaRefused("a $ref in it leads back to itself")
            elif node not in done:
                path.add(node)
                stack.append((node, True))
                stack += [(child, False) for child in edges[node]]
