"""Which points of a store are meant. Each store turns these into its engine's own filter."""

import json
import math
import re
from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Literal

from app.errors import InvalidRequest
from app.retrieval.types import Comparison, MetadataValue, Reader, Where

# Payload fields that conditions are about.
TENANT = "tenant"
DOCUMENT = "document"
ORDINAL = "ordinal"
AUDIENCE = "audience"
FACTS = "facts"  # digests of metadata fields with their values
NUMBERS = "numbers"  # metadata fields that can be compared: numbers, and dates as seconds
SINCE = "since"
UNTIL = "until"

FOREVER = 2**53 - 1  # an `until` that no version reaches, and every engine's numbers hold
MAX_DEPTH = 16  # of conditions in conditions that a client sends
MAX_COMPARISONS = 256

_EXACT = 2**53  # from here on floats cannot tell neighbouring integers apart
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]|$)")
_PLAIN = re.compile(r"[^A-Za-z0-9]")


@dataclass(frozen=True, slots=True)
class Has:
    """The field is, or holds, one of the values; with none, nothing is meant."""

    key: str
    values: tuple[str, ...] | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Within:
    """The field is a number within these bounds."""

    key: str
    gt: float | None = None
    gte: float | None = None
    lt: float | None = None
    lte: float | None = None


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold, for example since the field is missing."""

    condition: "Condition"


@dataclass(frozen=True, slots=True)
class AllOf:
    """All hold; with none, everything is meant."""

    conditions: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One or more hold; with none, nothing is meant."""

    conditions: "tuple[Condition, ...]"


Condition = Has | Within | Not | AllOf | AnyOf

NOTHING = Has(FACTS, ())


def audience_key(tenant: str, group: str | None = None) -> str:
    """What the `audience` of a tenant's group holds; without a group, that of the whole tenant.

    Tenant and group are in one value, so that one look into one index settles both. As JSON, because then no name,
    whatever is in it, can be taken for another one or for everybody.
    """
    return json.dumps([tenant] if group is None else [tenant, group])


def readable(reader: Reader) -> Has:
    """What the reader may see, by tenant and groups."""
    groups = dict.fromkeys(reader.groups)
    return Has(AUDIENCE, (audience_key(reader.tenant), *(audience_key(reader.tenant, group) for group in groups)))


def visible(version: int) -> AllOf:
    """What a reader at this version sees."""
    return AllOf((Within(SINCE, lte=version), Within(UNTIL, gt=version)))


def of_tenant(tenant: str, *more: Condition) -> AllOf:
    """Of one tenant."""
    return AllOf((Has(TENANT, (tenant,)), *more))


def from_where(where: Where) -> Condition:
    """A client's conditions on metadata. Raises InvalidRequest, param `filters`."""
    return _Reading().read(where, 1)


def without_unknown(condition: Condition, numbers: Container[str]) -> Condition:
    """The same, where no point has any other comparable field than these; it saves reading all points to see that."""
    match condition:
        case Within(key) if key.startswith(f"{NUMBERS}.") and key not in numbers:
            return NOTHING
        case Not(inner):
            return Not(without_unknown(inner, numbers))
        case AllOf(parts):
            return AllOf(tuple(without_unknown(part, numbers) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(without_unknown(part, numbers) for part in parts))
    return condition


def number_field(key: str, kind: Literal["number", "date"]) -> str:
    """Where a metadata field's numbers, or dates, stand. Letters and digits only, so that it is a path everywhere."""
    return f"{kind}_{_PLAIN.sub(lambda found: f'_{ord(found[0]):x}_', key)}"


def comparable(key: str, value: MetadataValue) -> tuple[str, float] | None:
    """A field's place among the numbers, and its value there: numbers, and ISO 8601 dates; None for all else."""
    if isinstance(value, str):
        moment = _moment(value)
        return None if moment is None else (number_field(key, "date"), moment)
    if isinstance(value, bool) or not math.isfinite(value) or abs(value) >= 1e300:
        return None
    return number_field(key, "number"), float(value)


def fact(key: str, value: MetadataValue) -> str:
    """A digest of a field and its value. 3 and 3.0 are the same, and are neither true nor "3"."""
    if isinstance(value, bool):
        kind, canonical = "truth", str(value)
    elif isinstance(value, str):
        kind, canonical = "text", value
    else:
        is_exact = isinstance(value, int) and abs(value) >= _EXACT
        kind, canonical = "number", str(value) if is_exact else repr(float(value) + 0.0)
    return blake2b(json.dumps([key, kind, canonical]).encode(), digest_size=12).hexdigest()


def _moment(text: str) -> float | None:
    """Seconds since 1970 of an ISO 8601 date; without a zone it is UTC."""
    if not _DATE.match(text):
        return None
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


class _Reading:
    """One reading of a client's conditions, which counts what it reads."""

    def __init__(self) -> None:
        self._comparisons = 0

    def read(self, where: Where, depth: int) -> Condition:
        if depth > MAX_DEPTH:
            raise InvalidRequest(f"Filters go at most {MAX_DEPTH} deep.", param="filters")
        if not isinstance(where, Comparison):
            parts = tuple(self.read(part, depth + 1) for part in where.filters)
            return AllOf(parts) if where.operator == "and" else AnyOf(parts)
        self._comparisons += 1
        if self._comparisons > MAX_COMPARISONS:
            raise InvalidRequest(f"Filters have at most {MAX_COMPARISONS} comparisons.", param="filters")
        return _compared(where)


def _compared(where: Comparison) -> Condition:
    key, operator, value = where.key, where.operator, where.value
    if operator in ("in", "nin"):
        if not isinstance(value, tuple):
            raise InvalidRequest(f"The filter {operator} takes a list of values.", param="filters")
        one_of = Has(FACTS, tuple(fact(key, each) for each in value))
        return one_of if operator == "in" else Not(one_of)
    if isinstance(value, tuple):
        raise InvalidRequest(f"The filter {operator} takes one value.", param="filters")
    if operator in ("eq", "ne"):
        same = Has(FACTS, (fact(key, value),))
        return same if operator == "eq" else Not(same)
    place = comparable(key, value)
    if place is None:
        raise InvalidRequest(f"The filter {operator} compares numbers, or dates in ISO 8601.", param="filters")
    return Within(f"{NUMBERS}.{place[0]}", **{operator: place[1]})
