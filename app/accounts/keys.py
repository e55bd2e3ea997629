"""Keys, and the tenants and customers they belong to, in the database."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import and_, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.accounts.changes import Change, change, reading
from app.accounts.rules import BudgetTerms, put_budget, put_limits
from app.accounts.subjects import Subject
from app.accounts.tokens import KeyHasher, hint, new_key
from app.accounts.types import Limits
from app.clock import now_ms
from app.errors import Conflict, NotFound
from app.sql.schema import customers, keys, tenants

KeyState = Literal["active", "expired", "revoked"]


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it may be shown. Times in milliseconds since the epoch."""

    id: str
    tenant: str
    customer: str | None
    name: str
    hint: str
    models: tuple[str, ...] | None
    groups: tuple[str, ...]
    metadata: Mapping[str, str]
    created_ms: int
    expires_ms: int | None
    revoked_ms: int | None
    previous_until_ms: int | None

    def state(self, now_ms: int) -> KeyState:
        """What it is good for now."""
        if self.revoked_ms is not None and now_ms >= self.revoked_ms:
            return "revoked"
        return "expired" if self.expires_ms is not None and now_ms >= self.expires_ms else "active"


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a key shall be. `strict`: its tenant and customer must exist; otherwise they are made with it."""

    tenant: str
    customer: str | None = None
    name: str = ""
    models: tuple[str, ...] | None = None
    groups: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    expires_ms: int | None = None
    strict: bool = False
    limits: Limits | None = None
    budgets: Sequence[BudgetTerms] = ()


@dataclass(frozen=True, slots=True)
class Issued:
    """A key together with its secret, which is nowhere else. `made`: subjects that are new with it."""

    key: Key
    secret: str = field(repr=False)
    made: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Party:
    """A tenant, or (with `tenant`) a customer of one."""

    id: str
    name: str
    metadata: Mapping[str, str]
    created_ms: int
    tenant: str | None = None


class KeyStore:
    """Creates, shows, rotates and revokes keys."""

    def __init__(self, engine: AsyncEngine, hasher: KeyHasher) -> None:
        self._engine = engine
        self._hasher = hasher

    async def create(self, wanted: NewKey) -> Issued:
        """Its limits and budgets hold from its first request. Raises NotFound when `strict`."""
        secret, key_id, now = new_key(), f"key_{uuid.uuid4().hex}", now_ms()
        async with change(self._engine) as edit:
            made = await _make_parties(edit.connection, wanted, now)
            row = {
                "id": key_id,
                "tenant": wanted.tenant,
                "customer": wanted.customer,
                "name": wanted.name,
                "digest": self._hasher.digest(secret),
                "hint": hint(secret),
                "models": None if wanted.models is None else list(wanted.models),
                "groups": list(wanted.groups),
                "metadata": dict(wanted.metadata),
                "created_ms": now,
                "expires_ms": wanted.expires_ms,
            }
            await edit.connection.execute(insert(keys).values(row))
            subject = Subject("key", key_id)
            await edit.note(str(subject))
            if wanted.limits:
                await put_limits(edit, subject, wanted.limits)
            for terms in wanted.budgets:
                await put_budget(edit, subject, terms)
            return Issued(await _get(edit.connection, key_id), secret, made)

    async def get(self, key_id: str) -> Key:
        """Raises NotFound."""
        async with reading(self._engine) as connection:
            return await _get(connection, key_id)

    async def page(
        self,
        *,
        tenant: str | None = None,
        customer: str | None = None,
        active: bool = False,
        limit: int = 100,
        after: str | None = None,
    ) -> list[Key]:
        """Newest first. `after`: the last id of the page before. Raises NotFound when there is no such key."""
        statement = select(*SHOWN).order_by(keys.c.created_ms.desc(), keys.c.id.desc()).limit(limit)
        if tenant:
            statement = statement.where(keys.c.tenant == tenant)
        if customer:
            statement = statement.where(keys.c.customer == customer)
        if active:
            now = now_ms()
            statement = statement.where(
                or_(keys.c.revoked_ms.is_(None), keys.c.revoked_ms > now),
                or_(keys.c.expires_ms.is_(None), keys.c.expires_ms > now),
            )
        async with reading(self._engine) as connection:
            if after:
                last = await _get(connection, after)
                same_time = and_(keys.c.created_ms == last.created_ms, keys.c.id < last.id)
                statement = statement.where(or_(keys.c.created_ms < last.created_ms, same_time))
            return [_key(row) for row in await connection.execute(statement)]

    async def edit(self, key_id: str, changes: Mapping[str, Any]) -> Key:
        """Changes columns: name, models, groups, metadata, expires_ms. Raises NotFound."""
        async with change(self._engine) as edit:
            await _get(edit.connection, key_id)
            return await _update(edit, key_id, changes)

    async def rotate(self, key_id: str, grace_s: float = 0) -> Issued:
        """A new secret for the same key: id, limits, budgets and what was spent of them stay.

        The secret before is accepted for `grace_s` more; one before that, not any more. Raises NotFound,
        and Conflict for a key that is not active.
        """
        secret, now = new_key(), now_ms()
        async with change(self._engine) as edit:
            await _active(edit.connection, key_id, now)
            changes = {
                "previous_digest": keys.c.digest,
                "previous_until_ms": now + round(grace_s * 1000),
                "digest": self._hasher.digest(secret),
                "hint": hint(secret),
            }
            return Issued(await _update(edit, key_id, changes), secret)

    async def revoke(self, key_id: str) -> Key:
        """For good, with its batch tokens. Doing it again changes nothing. Raises NotFound."""
        async with change(self._engine) as edit:
            key, now = await _get(edit.connection, key_id), now_ms()
            return await _update(edit, key_id, {"revoked_ms": key.revoked_ms or now})

    async def names(self, key_ids: Sequence[str]) -> dict[str, str]:
        """The names of keys, by id; at most 1,000."""
        async with reading(self._engine) as connection:
            rows = await connection.execute(select(keys.c.id, keys.c.name).where(keys.c.id.in_(key_ids)))
            return {row.id: row.name for row in rows}

    async def tenants(self, limit: int = 100, after: str | None = None) -> list[Party]:
        """By id; those that come after `after`."""
        statement = select(tenants).order_by(tenants.c.id).limit(limit)
        if after:
            statement = statement.where(tenants.c.id > after)
        async with reading(self._engine) as connection:
            return [Party(**row._mapping) for row in await connection.execute(statement)]

    async def customers(self, tenant: str, limit: int = 100, after: str | None = None) -> list[Party]:
        """A tenant's customers by id; those that come after `after`."""
        statement = select(customers).where(customers.c.tenant == tenant).order_by(customers.c.id).limit(limit)
        if after:
            statement = statement.where(customers.c.id > after)
        async with reading(self._engine) as connection:
            return [Party(**row._mapping) for row in await connection.execute(statement)]


SHOWN = [keys.c[name] for name in Key.__dataclass_fields__]


async def _make_parties(connection: AsyncConnection, wanted: NewKey, now: int) -> tuple[str, ...]:
    """The tenant and the customer, where they do not exist; returns which were made."""
    parties = [(Subject("tenant", wanted.tenant), tenants, {"id": wanted.tenant})]
    if wanted.customer:
        row = {"tenant": wanted.tenant, "id": wanted.customer}
        parties.append((Subject("customer", wanted.customer, wanted.tenant), customers, row))
    made = []
    for subject, table, row in parties:
        if await connection.scalar(select(table.c.id).filter_by(**row)):
            continue
        if wanted.strict:
            raise NotFound(f"There is no {subject}.", param=subject.scope)
        await connection.execute(insert(table).values(**row, name="", metadata={}, created_ms=now))
        made.append(str(subject))
    return tuple(made)


async def _get(connection: AsyncConnection, key_id: str) -> Key:
    row = (await connection.execute(select(*SHOWN).where(keys.c.id == key_id))).one_or_none()
    if row is None:
        raise NotFound("There is no key of that id.")
    return _key(row)


async def _active(connection: AsyncConnection, key_id: str, now: int) -> None:
    state = (await _get(connection, key_id)).state(now)
    if state != "active":
        raise Conflict(f"The key is {state}; create another one.")


async def _update(edit: Change, key_id: str, changes: Mapping[str, Any]) -> Key:
    await edit.note(str(Subject("key", key_id)))
    await edit.connection.execute(update(keys).where(keys.c.id == key_id).values(dict(changes)))
    return await _get(edit.connection, key_id)


def _key(row: Any) -> Key:
    models = None if row.models is None else tuple(row.models)
    return Key(**{**row._mapping, "models": models, "groups": tuple(row.groups or ())})
