"""What the pipeline needs of the ledger. `app.ledger.ledger.Ledger` is what stands behind it."""

import asyncio
from typing import Protocol

from app.accounts.types import Caller
from app.errors import BudgetExceeded
from app.ledger.types import UsageRow


class ReservationPort(Protocol):
    """What is held for one request, from admission to settlement."""

    @property
    def exhausted(self) -> BudgetExceeded | None:
        """A budget that is used up already: what costs anything cannot be had."""
        ...

    @property
    def lost(self) -> asyncio.Event:
        """Set when the lease has run out: another process has settled, and the answer must not be finished."""
        ...

    def headers(self) -> dict[str, str]:
        """The `x-ratelimit-*` headers."""
        ...

    async def reserve(self, model: str, tokens: int, cost_nano: int) -> None:
        """Hold the worst case of a call, in place of an earlier one's.

        Raises BudgetExceeded, RateLimited, InvalidRequest for what no limit could ever hold, Unavailable.
        """
        ...

    def progress(self, cost_nano: int, prompt_tokens: int, completion_tokens: int, model: str, provider: str) -> None:
        """What it would cost if it ended now."""
        ...

    async def settle(self, row: UsageRow) -> UsageRow:
        """Make the row durable and the counters right, once. Raises Unavailable."""
        ...

    async def release(self) -> None:
        """Give back what is held, without a row: nobody was asked. In place of `settle`."""
        ...


class LedgerPort(Protocol):
    """Limits and budgets."""

    async def admit(
        self, caller: Caller, reservation_id: str, requested_model: str, *, request_id: str, operation: str
    ) -> ReservationPort:
        """Begin a request. Raises RateLimited, Unavailable."""
        ...
