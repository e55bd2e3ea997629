"""Who asks, and what is allowed to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Scope = Literal["key", "customer", "tenant", "model"]
Period = Literal["day", "week", "month", "rolling", "total"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one subject; None: unlimited."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None


@dataclass(frozen=True, slots=True)
class LimitRule:
    """Limits of a subject. `subject` is unique in the whole stack and stands in the counters' names:
    `key:<id>`, `customer:<tenant>/<id>`, `tenant:<id>`, `model:<tenant or *>/<name>`."""

    scope: Scope
    subject: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class Budget:
    """Money that a subject may spend in a period (UTC calendar; weeks begin on Monday).

    `window_s` is the length of a `rolling` period. `subject` as in `LimitRule`. `created_ms`, since the epoch: for
    some minutes there may be requests under way that do not know of it.
    """

    id: str
    scope: Scope
    subject: str
    amount_nano: int
    period: Period
    window_s: int | None = None
    created_ms: int = 0


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. Self-contained: the ledger needs nothing else to know what applies."""

    tenant: str
    key_id: str
    customer: str | None = None
    models: frozenset[str] | None = None  # names that may be asked for; None: all
    groups: tuple[str, ...] = ()  # whose documents are seen, beside those that are everybody's of the tenant; sorted
    limits: tuple[LimitRule, ...] = ()  # of the key, its customer and its tenant
    budgets: tuple[Budget, ...] = ()
    # By model name: limits go by the name asked for and its part before `:`, budgets by the model that answers.
    model_limits: Mapping[str, tuple[LimitRule, ...]] = field(default_factory=dict)
    model_budgets: Mapping[str, tuple[Budget, ...]] = field(default_factory=dict)
    batch: str | None = None  # id of the batch on whose behalf this is asked: low priority
