"""Bodies of the admin routes."""

import time
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from app.accounts.money import MAX_BUDGET_USD
from app.accounts.subjects import ID, MODEL
from app.wire.base import Wire

# PostgreSQL's text takes no NUL, and terminals no other control characters.
PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
MAX_TIME_S = 32_503_680_000  # the year 3000
MAX_GRACE_S = 30 * 86_400
MAX_WINDOW_S = 400 * 86_400

Id = Annotated[str, Field(pattern=f"^{ID}$")]
Title = Annotated[str, Field(max_length=256, pattern=PRINTABLE)]
Models = Annotated[list[Annotated[str, Field(pattern=f"^{MODEL}$")]], Field(min_length=1, max_length=100)]
# Groups of a tenant, whose documents a key sees.
Groups = Annotated[list[Annotated[str, Field(pattern=f"^{ID}$")]], Field(max_length=100)]
Labels = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=64, pattern=PRINTABLE)],
        Annotated[str, Field(max_length=512, pattern=PRINTABLE)],
    ],
    Field(max_length=16),
]


def _in_the_future(seconds: int) -> int:
    if seconds <= time.time():
        raise ValueError("lies in the past; to end a key, revoke it")
    return seconds


FutureTime = Annotated[int, Field(ge=0, le=MAX_TIME_S), AfterValidator(_in_the_future)]  # seconds since the epoch


class LimitsBody(Wire):
    """Bounds; absent or null: unlimited."""

    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    tokens_per_minute: Annotated[int, Field(ge=1, le=1_000_000_000_000)] | None = None
    concurrent_requests: Annotated[int, Field(ge=1, le=1_000_000)] | None = None

    @model_validator(mode="after")
    def _sets_something(self) -> Self:
        if self.requests_per_minute is self.tokens_per_minute is self.concurrent_requests is None:
            raise ValueError("give requests_per_minute, tokens_per_minute or concurrent_requests")
        return self


class BudgetBody(Wire):
    """Money for a period; `window_s` is the length of a rolling one."""

    amount_usd: Annotated[float, Field(ge=0, le=MAX_BUDGET_USD, allow_inf_nan=False)]
    period: Literal["day", "week", "month", "rolling", "total"]
    window_s: Annotated[int, Field(ge=60, le=MAX_WINDOW_S)] | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.period == "rolling") != (self.window_s is not None):
            raise ValueError("window_s belongs to the period 'rolling', which needs it")
        if Decimal(repr(self.amount_usd)).scaleb(9) % 1:
            raise ValueError("amount_usd has at most nine decimals")
        return self


class SetLimits(LimitsBody):
    """`PUT /admin/v1/limits`."""

    subject: Annotated[str, Field(max_length=300)]


class SetBudget(BudgetBody):
    """`POST /admin/v1/budgets`."""

    subject: Annotated[str, Field(max_length=300)]


class CreateKey(Wire):
    """`POST /admin/v1/keys`."""

    tenant: Id
    customer: Id | None = None
    name: Title = ""
    models: Models | None = None
    groups: Groups = Field(default_factory=list)
    metadata: Labels = Field(default_factory=dict)
    expires_at: FutureTime | None = None
    strict: bool = False
    limits: LimitsBody | None = None
    budgets: Annotated[list[BudgetBody], Field(max_length=8)] = Field(default_factory=list)


class EditKey(Wire):
    """`PATCH /admin/v1/keys/{id}`: what is absent stays as it is."""

    name: Title = ""
    models: Models | None = None
    groups: Groups = Field(default_factory=list)
    metadata: Labels = Field(default_factory=dict)
    expires_at: FutureTime | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("give name, models, groups, metadata or expires_at")
        return self


class RotateKey(Wire):
    """`POST /admin/v1/keys/{id}/rotate`."""

    grace_s: Annotated[float, Field(ge=0, le=MAX_GRACE_S, allow_inf_nan=False)] = 0


class PurgeCache(Wire):
    """`POST /admin/v1/cache/purge`: one tenant's answers, or everybody's."""

    tenant: Id | None = None
    all: bool = False

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if self.all == (self.tenant is not None):
            raise ValueError("give tenant, or all: true")
        return self
