"""From the database into a `Book`: all of it, or what has changed since a version."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.book import NO_RULES, Book, KeyRecord, Rules
from app.accounts.types import Budget, LimitRule, Limits
from app.sql.schema import budgets, directory_changes, directory_version, keys, limits

# Rows taken in without letting go of the event loop: some 2 ms of work.
PAGE = 500
# With more subjects changed than this, loading everything is not slower.
MAX_CHANGES = 5000
# Databases bound the number of parameters in a statement.
CHUNK = 500


async def read_version(connection: AsyncConnection) -> int:
    """The version of the directory; 0 before the first change."""
    return await connection.scalar(select(directory_version.c.version)) or 0


async def load(connection: AsyncConnection) -> Book:
    """Everything.

    Statements may see changes made between them. Keys come first: whatever is set together with a key
    is there no later than the key. Read the version before; what came after it is then read once more.
    """
    book = Book()
    async for row in _rows(connection, KEY_ROWS):
        book.put_key(row.id, _key(row))
    rules: dict[str, Rules] = {}
    async for row in _rows(connection, select(limits)):
        rules[row.subject] = Rules(limit_of(row))
    async for row in _rows(connection, BUDGET_ROWS):
        rules[row.subject] = _with(rules.get(row.subject, NO_RULES), row)
    for number, (subject, rule) in enumerate(rules.items()):
        book.put_rules(subject, rule)
        if number % PAGE == 0:
            await asyncio.sleep(0)
    return book


async def changed_since(connection: AsyncConnection, seen: int, version: int) -> list[str] | None:
    """The subjects that changed after `seen`, up to `version`; None when that is not known any more."""
    newer = directory_changes.c.version > seen
    known = select(func.count(directory_changes.c.version.distinct())).where(newer)
    counted = await connection.scalar(known.where(directory_changes.c.version <= version))
    if version < seen or (counted or 0) < version - seen:
        return None  # a restored database, or the changes have been dropped
    found = await connection.scalars(select(directory_changes.c.subject).where(newer).distinct().limit(MAX_CHANGES + 1))
    subjects = list(found)
    return subjects if len(subjects) <= MAX_CHANGES else None


async def reload(connection: AsyncConnection, book: Book, subjects: list[str]) -> None:
    """Take in these subjects as they are now. The book changes at once, after all has been read."""
    ids = [subject.removeprefix("key:") for subject in subjects if subject.startswith("key:")]
    records: dict[str, KeyRecord | None] = dict.fromkeys(ids)
    rules = dict.fromkeys(subjects, NO_RULES)
    for chunk in _chunks(ids):
        for row in await connection.execute(KEY_ROWS.where(keys.c.id.in_(chunk))):
            records[row.id] = _key(row)
    for chunk in _chunks(subjects):
        for row in await connection.execute(select(limits).where(_about(limits, chunk))):
            rules[row.subject] = Rules(limit_of(row))
        for row in await connection.execute(BUDGET_ROWS.where(_about(budgets, chunk))):
            rules[row.subject] = _with(rules[row.subject], row)
    for key_id, record in records.items():
        book.put_key(key_id, record)
    for subject, rule in rules.items():
        book.put_rules(subject, rule)


KEY_ROWS = select(
    keys.c.id,
    keys.c.tenant,
    keys.c.digest,
    keys.c.customer,
    keys.c.models,
    keys.c.groups,
    keys.c.expires_ms,
    keys.c.revoked_ms,
    keys.c.previous_digest,
    keys.c.previous_until_ms,
)
BUDGET_ROWS = select(budgets).order_by(budgets.c.created_ms, budgets.c.id)


def budget_of(row: Row[*tuple[Any, ...]]) -> Budget:
    """A row of `budgets`."""
    return Budget(row.id, row.scope, row.subject, row.amount_nano, row.period, row.window_s, row.created_ms)


def _key(row: Row[*tuple[Any, ...]]) -> KeyRecord:
    models = None if row.models is None else frozenset(row.models)
    return KeyRecord(**{**row._mapping, "models": models, "groups": tuple(sorted(row.groups or ()))})


def limit_of(row: Row[*tuple[Any, ...]]) -> LimitRule:
    """A row of `limits`."""
    bounds = Limits(row.requests_per_minute, row.tokens_per_minute, row.concurrent_requests)
    return LimitRule(row.scope, row.subject, bounds)


def _with(rules: Rules, row: Row[*tuple[Any, ...]]) -> Rules:
    return Rules(rules.limit, (*rules.budgets, budget_of(row)))


def _about(table: Table, subjects: list[str]) -> ColumnElement[bool]:
    return table.c.subject.in_(subjects)


def _chunks(values: list[str]) -> Iterable[list[str]]:
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))


async def _rows(connection: AsyncConnection, statement: Select[Any]) -> AsyncIterator[Row[*tuple[Any, ...]]]:
    async with connection.stream(statement) as result:
        async for page in result.partitions(PAGE):
            for row in page:
                yield row
