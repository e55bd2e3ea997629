"""Query parameters, validated as bodies are."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from starlette.requests import Request

from app.accounts.spend import Group
from app.accounts.subjects import ID, MODEL
from app.errors import InvalidRequest, NotFound
from app.gateway.cursors import group_of
from app.ledger.types import Outcome
from app.wire.admin import Id
from app.wire.parse import describe

MAX_RANGE = timedelta(days=400)
MAX_ROWS = 1000
MAX_GROUPS = 4
MAX_PARAMETERS = 100


class Query(BaseModel):
    """Unknown parameters are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Parameters = TypeVar("Parameters", bound=BaseModel)
Subject = Annotated[str, Field(max_length=300)]


def parse_query(kind: type[Parameters], request: Request) -> Parameters:
    """Raises InvalidRequest."""
    given = request.query_params.multi_items()
    if len(given) > MAX_PARAMETERS:
        raise InvalidRequest(f"The query has more than {MAX_PARAMETERS} parameters.")
    try:
        return kind.model_validate(_gathered(given))
    except ValidationError as error:
        raise describe(error) from None


def _gathered(given: Sequence[tuple[str, str]]) -> dict[str, str | list[str]]:
    """Values by name; a name that ends in `[]` is a list, and stands before each of its values."""
    values: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    for name, value in given:
        if name.endswith("[]"):
            lists.setdefault(name, []).append(value)
        elif name in values:
            raise InvalidRequest(f"'{name[:64]}' is given twice.", param=name[:64])
        else:
            values[name] = value
    return {**values, **lists}


def path_id(text: str) -> str:
    """An id in a path. Raises NotFound for what cannot be one."""
    if not re.fullmatch(ID, text):
        raise NotFound("There is nothing of that id.")
    return text


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("give a date (2026-11-24) or an ISO 8601 time (2026-11-24T12:00:00Z)") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not 2000 <= moment.year < 3000:
        raise ValueError("the year must lie between 2000 and 3000")
    return moment.astimezone(UTC)


def _groups(text: str) -> tuple[str, ...]:
    groups = tuple(text.split(","))
    unknown = [group for group in groups if group not in get_args(Group)]
    if unknown or len(set(groups)) != len(groups) or len(groups) > MAX_GROUPS:
        raise ValueError(f"give one to {MAX_GROUPS} of {', '.join(get_args(Group))}, separated by commas")
    return groups


Moment = Annotated[datetime, BeforeValidator(_moment)]
Groups = Annotated[tuple[Group, ...], BeforeValidator(_groups)]


@dataclass(frozen=True, slots=True)
class Span:
    """From (inclusive) to (exclusive), UTC."""

    start: datetime
    end: datetime

    @property
    def start_ms(self) -> int:
        return round(self.start.timestamp() * 1000)

    @property
    def end_ms(self) -> int:
        return round(self.end.timestamp() * 1000)


class SpanQuery(Query):
    """`from` (inclusive; by default the first of the month that `to` ends) and `to` (exclusive; by default
    the end of today), UTC, at most 400 days apart."""

    from_: Moment | None = Field(None, alias="from")
    to: Moment | None = None

    @property
    def span(self) -> Span:
        """Raises InvalidRequest."""
        end = self.to or _midnight(datetime.now(UTC)) + timedelta(days=1)
        start = self.from_ or _midnight(end - timedelta(milliseconds=1)).replace(day=1)
        if start >= end:
            raise InvalidRequest("'from' must lie before 'to'.", param="from")
        if end - start > MAX_RANGE:
            raise InvalidRequest(f"'from' and 'to' are more than {MAX_RANGE.days} days apart.", param="from")
        return Span(start, end)


class PageQuery(Query):
    """`limit` rows after the row with the id `after`."""

    limit: Annotated[int, Field(ge=1, le=MAX_ROWS)] = 100
    after: Id | None = None


class _OfCustomer(Query):
    tenant: Id | None = None
    customer: Id | None = None

    @model_validator(mode="after")
    def _customer_has_a_tenant(self) -> "_OfCustomer":
        if self.customer and not self.tenant:
            raise ValueError("customer needs tenant beside it")
        return self


class KeysQuery(PageQuery, _OfCustomer):
    """`GET /admin/v1/keys`."""

    active: bool = False


class CustomersQuery(PageQuery):
    """`GET /admin/v1/customers`."""

    tenant: Id


class LimitsQuery(Query):
    """`GET /admin/v1/limits`; `after` is a subject."""

    subject: Subject | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_ROWS)] = 100
    after: Subject | None = None


class BudgetsQuery(PageQuery):
    """`GET /admin/v1/budgets`."""

    subject: Subject | None = None


class SubjectQuery(Query):
    """`DELETE /admin/v1/limits`."""

    subject: Subject


class RequestsQuery(PageQuery, _OfCustomer):
    """`GET /admin/v1/requests`."""

    key: Id | None = None
    model: Annotated[str, Field(pattern=f"^{MODEL}$")] | None = None
    outcome: Outcome | None = None


class SpendQuery(SpanQuery, _OfCustomer):
    """`GET /admin/v1/spend`. `after`: where the page before ended, of a table in CSV."""

    group_by: Groups = ("day", "model")
    key: Id | None = None
    model: Annotated[str, Field(pattern=f"^{MODEL}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_ROWS)] = MAX_ROWS
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    after: Annotated[dict[str, Any], BeforeValidator(group_of)] | None = None
    format: Literal["json", "csv"] | None = None

    @property
    def columns(self) -> list[str]:
        """Of the table: what a group is known by and called."""
        beside = {"customer": ["tenant", "customer"], "key": ["key", "key_name"]}
        names = [name for group in self.group_by for name in beside.get(group, [group])]
        return list(dict.fromkeys(names))


def _own_groups(groups: Sequence[str]) -> Sequence[str]:
    if not set(groups) <= {"day", "model", "key", "operation"}:
        raise ValueError("give some of day, model, key, operation, separated by commas")
    return groups


class UsageQuery(SpanQuery):
    """`GET /v1/usage`."""

    group_by: Annotated[Groups, AfterValidator(_own_groups)] = ("day", "model")
    limit: Annotated[int, Field(ge=1, le=MAX_ROWS)] = MAX_ROWS
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
