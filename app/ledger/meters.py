"""The counters behind limits and budgets: their names in the store, and how their windows slide.

A sliding window is cut into slots, and counts whole slots: what it holds is never less than what the exact window
holds, so no more than the limit is let in within any such time. A limit of requests or tokens counts 61 slots of a
second, so that room frees up to a second late.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from app.accounts.types import Budget, LimitRule
from app.ledger.periods import span

PREFIX = "{sextant}:ledger"
MAX_AMOUNT = 2**53 - 1  # the scripts' numbers are doubles; in nano-dollars 9 million USD
RATE_SLOT_MS = 1000
RATE_SLOTS = 61
ROLLING_PARTS = 60
# One more for the part that begins before the window, and one because a request is counted by its admission but
# reserves a little later.
ROLLING_SLOTS = ROLLING_PARTS + 2

# s: requests, spent at once. c: concurrent requests. t: tokens, corrected later. m: money, held and settled.
# w, b: a window or a budget that is only read.
Mode = Literal["s", "c", "t", "m", "w", "b"]


@dataclass(frozen=True, slots=True)
class Meter:
    """A counter, and what a call wants of it. `slot_ms` 0: it does not slide."""

    key: str
    limit: int
    amount: int
    mode: Mode
    slot_ms: int
    slots: int
    source: LimitRule | Budget

    def arguments(self) -> tuple[str | int, ...]:
        """As the scripts read it."""
        return self.key, min(self.limit, MAX_AMOUNT), min(self.amount, MAX_AMOUNT), self.mode, self.slot_ms, self.slots


def admission(rules: Iterable[LimitRule], budgets: Iterable[Budget], at_ms: int) -> list[Meter]:
    """What letting a request in takes (requests, concurrency) and looks at (tokens, budgets)."""
    meters: list[Meter] = []
    for rule in rules:
        limits = rule.limits
        if limits.requests_per_minute is not None:
            meters.append(_rate(rule, "requests", limits.requests_per_minute, 1, "s"))
        if limits.concurrent_requests is not None:
            key = f"{PREFIX}:concurrent:{rule.subject}"
            meters.append(Meter(key, limits.concurrent_requests, 1, "c", 0, 0, rule))
        if limits.tokens_per_minute is not None:
            meters.append(_rate(rule, "tokens", limits.tokens_per_minute, 0, "w"))
    meters.extend(money(budget, 0, "b", at_ms) for budget in budgets)
    return meters


def tokens(rules: Iterable[LimitRule], amount: int) -> list[Meter]:
    """What an attempt of so many tokens takes."""
    return [
        _rate(rule, "tokens", rule.limits.tokens_per_minute, amount, "t")
        for rule in rules
        if rule.limits.tokens_per_minute is not None
    ]


def money(budget: Budget, amount: int, mode: Mode, at_ms: int) -> Meter:
    """A budget's counter for a request admitted at `at_ms`. Another period, window or subject is another counter."""
    if budget.period == "rolling":
        window_ms = (budget.window_s or 0) * 1000
        key = f"{PREFIX}:budget:{budget.id}:{budget.subject}:rolling:{window_ms}"
        slot_ms = max(1, -(-window_ms // ROLLING_PARTS))
        return Meter(key, budget.amount_nano, amount, mode, slot_ms, ROLLING_SLOTS, budget)
    key = f"{PREFIX}:budget:{budget.id}:{budget.subject}:{budget.period}:{span(budget.period, at_ms).start_ms}"
    return Meter(key, budget.amount_nano, amount, mode, 0, 0, budget)


def _rate(rule: LimitRule, what: str, limit: int, amount: int, mode: Mode) -> Meter:
    return Meter(f"{PREFIX}:{what}:{rule.subject}", limit, amount, mode, RATE_SLOT_MS, RATE_SLOTS, rule)
