"""Limits and budgets in the database."""

import time
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.accounts.changes import Change, change, reading
from app.accounts.load import budget_of, limit_of
from app.accounts.subjects import DEFAULT_KEY, DEFAULT_TENANT, EVERY_TENANT, Subject
from app.accounts.types import Budget, LimitRule, Limits, Period
from app.errors import InvalidRequest, NotFound
from app.sql.schema import budgets, customers, keys, limits, tenants


@dataclass(frozen=True, slots=True)
class BudgetTerms:
    """How much in which period; `window_s` for a rolling one."""

    amount_nano: int
    period: Period
    window_s: int | None = None


class RuleStore:
    """What is set for subjects. A key, customer or tenant must exist; a model need not."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def limits(self, subject: Subject | None, limit: int, after: str | None) -> list[LimitRule]:
        """By subject; those that come after `after`."""
        statement = select(limits).order_by(limits.c.subject).limit(limit)
        if subject:
            statement = statement.where(limits.c.subject == str(subject))
        if after:
            statement = statement.where(limits.c.subject > after)
        async with reading(self._engine) as connection:
            return [limit_of(row) for row in await connection.execute(statement)]

    async def set_limits(self, subject: Subject, bounds: Limits) -> LimitRule:
        """Replaces what was set before. Raises NotFound."""
        async with change(self._engine) as edit:
            await check_exists(edit.connection, subject)
            return await put_limits(edit, subject, bounds)

    async def clear_limits(self, subject: Subject) -> None:
        """Raises NotFound."""
        async with change(self._engine) as edit:
            await edit.note(str(subject))
            cleared = await edit.connection.execute(delete(limits).where(limits.c.subject == str(subject)))
            if not cleared.rowcount:
                raise NotFound(f"No limits are set for {subject}.", param="subject")

    async def budgets(self, subject: Subject | None, limit: int, after: str | None) -> list[Budget]:
        """By id; those that come after `after`."""
        statement = select(budgets).order_by(budgets.c.id).limit(limit)
        if subject:
            statement = statement.where(budgets.c.subject == str(subject))
        if after:
            statement = statement.where(budgets.c.id > after)
        async with reading(self._engine) as connection:
            return [budget_of(row) for row in await connection.execute(statement)]

    async def set_budget(self, subject: Subject, terms: BudgetTerms) -> Budget:
        """A subject has one budget for a period: its amount is replaced, its id stays.

        Raises NotFound, and InvalidRequest for a model's subject that no answer is billed to.
        """
        check_is_billed(subject)
        async with change(self._engine) as edit:
            await check_exists(edit.connection, subject)
            return await put_budget(edit, subject, terms)

    async def delete_budget(self, budget_id: str) -> None:
        """Raises NotFound."""
        async with change(self._engine) as edit:
            gone = delete(budgets).where(budgets.c.id == budget_id).returning(budgets.c.subject)
            subject = await edit.connection.scalar(gone)
            if subject is None:
                raise NotFound("There is no budget of that id.")
            await edit.note(subject)


async def put_limits(edit: Change, subject: Subject, bounds: Limits) -> LimitRule:
    """As part of a change."""
    await edit.note(str(subject))
    await edit.connection.execute(delete(limits).where(limits.c.subject == str(subject)))
    row: dict[str, Any] = {
        "subject": str(subject),
        "scope": subject.scope,
        "requests_per_minute": bounds.requests_per_minute,
        "tokens_per_minute": bounds.tokens_per_minute,
        "concurrent_requests": bounds.concurrent_requests,
    }
    await edit.connection.execute(insert(limits).values(row))
    return LimitRule(subject.scope, str(subject), bounds)


async def put_budget(edit: Change, subject: Subject, terms: BudgetTerms) -> Budget:
    """As part of a change."""
    await edit.note(str(subject))
    same = (budgets.c.subject == str(subject)) & (budgets.c.period == terms.period)
    same &= budgets.c.window_s.is_not_distinct_from(terms.window_s)
    raised = update(budgets).where(same).values(amount_nano=terms.amount_nano).returning(budgets)
    row = (await edit.connection.execute(raised)).first()
    if row is None:
        values: dict[str, Any] = {
            "id": f"budget_{uuid.uuid4().hex}",
            "subject": str(subject),
            "scope": subject.scope,
            "amount_nano": terms.amount_nano,
            "period": terms.period,
            "window_s": terms.window_s,
            "created_ms": time.time_ns() // 1_000_000,
        }
        row = (await edit.connection.execute(insert(budgets).values(values).returning(budgets))).one()
    return budget_of(row)


def check_is_billed(subject: Subject) -> None:
    """Budgets go by the model that answers, and an adapter's answers are its base's. Raises InvalidRequest."""
    base, colon, _ = subject.name.partition(":")
    if subject.scope == "model" and colon:
        raise InvalidRequest(
            f"What is asked of '{subject.name}' is billed to its base model: set the budget for "
            f"model:{subject.tenant}/{base}.",
            param="subject",
        )


async def check_exists(connection: AsyncConnection, subject: Subject) -> None:
    """A limit on a misspelt name would protect nobody. Raises NotFound."""
    if subject.scope == "key":
        found = subject.name == DEFAULT_KEY or await connection.scalar(
            select(keys.c.id).where(keys.c.id == subject.name)
        )
    elif subject.scope == "customer":
        of_tenant = customers.c.tenant == subject.tenant
        found = await connection.scalar(select(customers.c.id).where(of_tenant, customers.c.id == subject.name))
    else:
        tenant = subject.name if subject.scope == "tenant" else subject.tenant
        found = tenant in (DEFAULT_TENANT, EVERY_TENANT) or await connection.scalar(
            select(tenants.c.id).where(tenants.c.id == tenant)
        )
    if not found:
        raise NotFound(f"There is no {subject.scope} for {subject}.", param="subject")
