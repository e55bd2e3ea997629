"""jsonschema's validator with a bound to its work: no regular expressions but RE2's, no quadratic search for equal
items, and a budget of steps. Made for schemas that `schema_bounds` has let through."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import cache
from itertools import islice
from typing import Any

from app.guard.output.schema_bounds import SchemaRefused, expression

MAX_STEPS = 100_000  # a keyword against a small value is one; about 1 s
FIRST_ERRORS = 50  # of which the most telling one is told

_DRAFTS = {
    "http://json-schema.org/draft-07/schema": "Draft7Validator",
    "https://json-schema.org/draft/2019-09/schema": "Draft201909Validator",
    "https://json-schema.org/draft/2020-12/schema": "Draft202012Validator",
}
Keyword = Callable[[Any, Any, Any, Any], Iterator[Any] | None]


class TooMuchWork(Exception):
    """The answer cannot be checked in reasonable time."""


class _Budget:
    """Steps left, and how large each part of the value is: a failing keyword writes all of it into its message."""

    def __init__(self, value: Any) -> None:
        self.left = MAX_STEPS
        self._sizes: dict[int, int] = {}
        parts, waiting = [], [value]
        while waiting:
            each = waiting.pop()
            parts.append(each)
            if isinstance(each, dict | list):
                waiting += each.values() if isinstance(each, dict) else each
        for each in reversed(parts):  # children first
            if isinstance(each, dict | list):
                children = each.values() if isinstance(each, dict) else each
                self._sizes[id(each)] = 1 + sum(map(self.size, children))

    def size(self, value: Any) -> int:
        if isinstance(value, str):
            return 1 + len(value) // 20
        return self._sizes.get(id(value), 1)

    def spend(self, keyword: Any, value: Any, steps: int = 1) -> None:
        length = len(keyword) if isinstance(keyword, dict | list | str) else 0
        self.left -= steps + length // 20 + self.size(value) // 50
        if self.left < 0:
            raise TooMuchWork("more than can be checked in reasonable time")


_budget: ContextVar[_Budget] = ContextVar("budget")


def validator_of(schema: Mapping[str, Any]) -> Any:
    """The validator class of a schema's draft, 2020-12 where it names none. Raises SchemaRefused."""
    named = schema.get("$schema")
    if named is None:
        return _bounded("Draft202012Validator")
    draft = _DRAFTS.get(str(named).rstrip("#"))
    if draft is None:
        raise SchemaRefused("its $schema is none of draft-07, 2019-09 and 2020-12")
    return _bounded(draft)


def first_error(schema: Mapping[str, Any], value: Any) -> Any:
    """jsonschema's most telling error of `value`, or None. Raises TooMuchWork."""
    import referencing
    from jsonschema.exceptions import best_match

    bare = {key: part for key, part in schema.items() if key not in ("$id", "$schema")}  # "#" is this schema then
    # An empty registry: nothing is fetched.
    validator = validator_of(schema)(bare, registry=referencing.Registry())
    token = _budget.set(_Budget(value))
    try:
        return best_match(islice(validator.iter_errors(value), FIRST_ERRORS))
    except ArithmeticError:
        raise TooMuchWork("a number is too large to be checked") from None
    except RecursionError:
        raise TooMuchWork("it is nested too deeply to be checked") from None
    finally:
        _budget.reset(token)


@cache
def _bounded(draft: str) -> Any:
    """Imported here: jsonschema takes 0.2 s, which a process that checks nothing need not wait."""
    import jsonschema

    base = getattr(jsonschema, draft)
    own: dict[str, Keyword] = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
    }
    checks = {
        name: _counted(own.get(name, check), 4 if name == "$ref" else 1) for name, check in base.VALIDATORS.items()
    }
    return jsonschema.validators.extend(base, checks)


def _counted(check: Keyword, steps: int) -> Keyword:
    def run(validator: Any, keyword: Any, value: Any, schema: Any) -> Iterator[Any] | None:
        _budget.get().spend(keyword, value, steps)
        return check(validator, keyword, value, schema)

    return run


def _matches(pattern: str, text: str) -> bool:
    # RE2 reads UTF-8, which has no lone surrogates.
    return expression(pattern).search(text.encode(errors="replace").decode()) is not None


def _error(message: str) -> Any:
    from jsonschema.exceptions import ValidationError

    return ValidationError(message)


def _pattern(validator: Any, pattern: Any, value: Any, schema: Any) -> Iterator[Any]:
    if isinstance(value, str) and not _matches(pattern, value):
        yield _error("does not match")


def _pattern_properties(validator: Any, patterns: Any, value: Any, schema: Any) -> Iterator[Any]:
    if not isinstance(value, dict):
        return
    for pattern, below in patterns.items():
        for name, part in value.items():
            _budget.get().spend(None, name)
            if _matches(pattern, name):
                yield from validator.descend(part, below, path=name, schema_path=pattern)


def _additional_properties(validator: Any, below: Any, value: Any, schema: Any) -> Iterator[Any]:
    if not isinstance(value, dict):
        return
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, part in value.items():
        if name in named:
            continue
        for pattern in patterns:
            _budget.get().spend(None, name)
            if _matches(pattern, name):
                break
        else:
            if below is False:
                yield _error(name)  # told by `told_error`
            else:
                yield from validator.descend(part, below, path=name)


def _unique_items(validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Any]:
    if not wanted or not isinstance(value, list):
        return
    # Numbers were read so that 1 and 1.0 are the same; false and 0 are not.
    if len({json.dumps(item, sort_keys=True) for item in value}) < len(value):
        yield _error("has equal items")
