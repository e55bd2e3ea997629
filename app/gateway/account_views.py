"""Accounts as they are shown: times in seconds since the epoch, money in dollars."""

import asyncio
import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from app.accounts.keys import Key, Party
from app.accounts.money import usd, usd_text
from app.accounts.spend import DAY_MS, Spend, Totals
from app.accounts.types import Budget, LimitRule
from app.clock import now_ms
from app.gateway.account_access import Balances
from app.ledger.types import UsageRow

# What a spreadsheet takes for a formula, or skips before one.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def key_view(key: Key, /, **more: Any) -> dict[str, Any]:
    """A key, without its secret."""
    return {
        "object": "key",
        "id": key.id,
        **more,
        "state": key.state(now_ms()),
        "tenant": key.tenant,
        "customer": key.customer,
        "name": key.name,
        "hint": key.hint,
        "models": key.models,
        "groups": key.groups,
        "metadata": key.metadata,
        "created_at": seconds(key.created_ms),
        "expires_at": seconds(key.expires_ms),
        "revoked_at": seconds(key.revoked_ms),
        "previous_until": seconds(key.previous_until_ms),
    }


def party_view(party: Party) -> dict[str, Any]:
    """A tenant or a customer."""
    owner = {"object": "customer", "tenant": party.tenant} if party.tenant else {"object": "tenant"}
    created = seconds(party.created_ms)
    return {**owner, "id": party.id, "name": party.name, "metadata": party.metadata, "created_at": created}


def limits_view(rule: LimitRule) -> dict[str, Any]:
    """What is set for a subject."""
    return {"object": "limits", "subject": rule.subject, "scope": rule.scope, **asdict(rule.limits)}


async def budget_views(budgets: Sequence[Budget], ledger: Balances) -> list[dict[str, Any]]:
    """Budgets and how they stand. Raises Unavailable when the counters cannot be asked."""
    return list(await asyncio.gather(*(_budget_view(budget, ledger) for budget in budgets)))


async def _budget_view(budget: Budget, ledger: Balances) -> dict[str, Any]:
    balance = await ledger.balance(budget)
    left = max(0, budget.amount_nano - balance.spent_nano - balance.reserved_nano)
    return {
        "object": "budget",
        "id": budget.id,
        "subject": budget.subject,
        "scope": budget.scope,
        "amount_usd": usd(budget.amount_nano),
        "period": budget.period,
        "window_s": budget.window_s,
        "spent_usd": usd(balance.spent_nano),
        "reserved_usd": usd(balance.reserved_nano),
        "left_usd": usd(left),
        "resets_at": seconds(balance.resets_ms),
    }


def totals_view(totals: Totals) -> dict[str, Any]:
    """Sums."""
    counts = {name: value for name, value in asdict(totals).items() if not name.endswith("_nano")}
    return {**counts, "cost_usd": usd(totals.cost_nano), "overrun_usd": usd(totals.overrun_nano)}


def spend_view(spend: Spend) -> dict[str, Any]:
    """A group and its sums."""
    return {**_group(spend), **totals_view(spend.totals)}


def request_view(row: UsageRow) -> dict[str, Any]:
    """A row of the table `usage`."""
    shown = {name: value for name, value in asdict(row).items() if not name.endswith("_nano") and name != "at_ms"}
    return {
        "object": "request",
        **shown,
        "at": iso(datetime.fromtimestamp(row.at_ms / 1000, UTC)),
        "cost_usd": usd(row.cost_nano),
        "overrun_usd": usd(row.overrun_nano),
    }


def spend_csv(rows: Sequence[Spend], columns: Sequence[str]) -> str:
    """The same as a table; no cell of it is a formula to a spreadsheet."""
    counts = ("requests", "prompt_tokens", "cached_tokens", "completion_tokens")
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow([*columns, *counts, "cost_usd", "overrun_usd"])
    for row in rows:
        group, totals = _group(row), row.totals
        money = [usd_text(totals.cost_nano), usd_text(totals.overrun_nano)]
        writer.writerow(
            [*(_cell(group[name]) for name in columns), *(getattr(totals, name) for name in counts), *money]
        )
    return table.getvalue()


def seconds(ms: int | None) -> int | None:
    """Whole seconds since the epoch."""
    return None if ms is None else ms // 1000


def iso(moment: datetime) -> str:
    """ISO 8601, UTC, to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _group(spend: Spend) -> dict[str, Any]:
    group = dict(spend.group)
    if "day" in group:
        group["day"] = datetime.fromtimestamp(group["day"] * DAY_MS / 1000, UTC).date().isoformat()
    return group


def _cell(value: str | None) -> str:
    text = value or ""
    return f"'{text}" if text.startswith(FORMULA) else text
