"""What the ledger takes and gives."""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["ok", "cancelled", "error", "crashed"]


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What one request used: a row of the table `usage`, kept for good.

    `id` is ours and unique (a client may send the same request id twice). `at_ms` is when the request
    was admitted, in milliseconds since the epoch: periods and windows go by it. Money in nano-dollars;
    `overrun_nano` is cost beyond what was reserved, which is never billed.
    """

    id: str
    at_ms: int
    request_id: str
    tenant: str
    key_id: str
    customer: str | None
    operation: str
    requested_model: str
    model: str  # the one that answered; empty when none did
    provider: str  # `local`, or the provider's name; empty when none answered
    outcome: Outcome
    error: str | None
    cache: str
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cost_nano: int = 0
    overrun_nano: int = 0
    estimated: bool = False  # the token counts are ours, not the model's
    attempts: int = 0
    duration_ms: int = 0
    batch: str | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """What has happened to a budget in its period so far. `resets_ms`: None for a rolling or total budget."""

    spent_nano: int
    reserved_nano: int
    resets_ms: int | None
