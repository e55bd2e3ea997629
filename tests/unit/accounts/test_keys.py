"""Keys, limits and budgets in SQLite and PostgreSQL."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.accounts.changes import change
from app.accounts.keys import NewKey
from app.accounts.load import changed_since, read_version
from app.accounts.rules import BudgetTerms
from app.accounts.store import AccountStore
from app.accounts.subjects import Subject
from app.accounts.tokens import KEY_PREFIX
from app.accounts.types import Limits
from app.clock import now_ms
from app.errors import Conflict, InvalidRequest, NotFound
from app.sql.boundary import foreign_errors
from app.sql.schema import metadata, tenants

ACME = Subject.parse("tenant:acme")
TEN_DOLLARS = BudgetTerms(10_000_000_000, "month")


async def test_a_key_is_what_was_asked_for(store: AccountStore) -> None:
    expiry = now_ms() + 60_000
    wanted = NewKey("acme", "eu", "web", ("m", "org/m:adapter"), ("staff",), {"team": "web"}, expiry)
    issued = await store.keys.create(wanted)
    assert issued.made == ("tenant:acme", "customer:acme/eu")
    key = await store.keys.get(issued.key.id)
    assert key == issued.key
    assert (key.tenant, key.customer, key.name, key.models, key.groups) == (
        "acme",
        "eu",
        "web",
        ("m", "org/m:adapter"),
        ("staff",),
    )
    assert (key.metadata, key.expires_ms, key.state(now_ms())) == ({"team": "web"}, expiry, "active")
    assert key.state(expiry) == "expired"
    assert issued.secret.startswith(KEY_PREFIX)
    assert key.hint.endswith(issued.secret[-4:])


async def test_a_secret_is_nowhere_in_the_database(store: AccountStore, engine: AsyncEngine) -> None:
    issued = await store.keys.create(NewKey("acme"))
    rotated = await store.keys.rotate(issued.key.id, grace_s=60)
    async with engine.connect() as connection:
        held = [repr(row) for table in metadata.sorted_tables for row in await connection.execute(select(table))]
    assert held
    for secret in (issued.secret, rotated.secret):
        assert secret[len(KEY_PREFIX) : -4] not in "".join(held)
        assert secret not in repr(issued) + repr(rotated)


async def test_strict_refuses_what_does_not_exist(store: AccountStore) -> None:
    with pytest.raises(NotFound) as refused:
        await store.keys.create(NewKey("acme", strict=True))
    assert refused.value.param == "tenant"
    assert await store.keys.tenants() == []
    await store.keys.create(NewKey("acme"))
    with pytest.raises(NotFound) as refused:
        await store.keys.create(NewKey("acme", "eu", strict=True))
    assert refused.value.param == "customer"
    assert (await store.keys.create(NewKey("acme", strict=True))).made == ()


async def test_keys_made_at_once_share_one_new_tenant(store: AccountStore) -> None:
    issued = await asyncio.gather(*(store.keys.create(NewKey("acme", f"c{number % 3}")) for number in range(12)))
    assert len({one.key.id for one in issued}) == len({one.secret for one in issued}) == 12
    assert sum("tenant:acme" in one.made for one in issued) == 1
    assert [party.id for party in await store.keys.tenants()] == ["acme"]
    assert [(party.tenant, party.id) for party in await store.keys.customers("acme")] == [
        ("acme", "c0"),
        ("acme", "c1"),
        ("acme", "c2"),
    ]
    assert await store.keys.customers("other") == []


async def test_pages_hold_every_key_once_newest_first(store: AccountStore) -> None:
    made = [(await store.keys.create(NewKey("acme", name=str(number)))).key for number in range(7)]
    await store.keys.create(NewKey("other"))
    seen: list[Any] = []
    while page := await store.keys.page(tenant="acme", limit=3, after=seen[-1].id if seen else None):
        assert len(page) <= 3
        seen += page
    assert sorted(seen, key=lambda key: key.id) == sorted(made, key=lambda key: key.id)
    assert [key.created_ms for key in seen] == sorted((key.created_ms for key in made), reverse=True)
    with pytest.raises(NotFound):
        await store.keys.page(after="key_none")


async def test_a_list_of_active_keys_leaves_out_the_others(store: AccountStore) -> None:
    good = await store.keys.create(NewKey("acme"))
    await store.keys.create(NewKey("acme", expires_ms=now_ms() - 1))
    revoked = await store.keys.create(NewKey("acme"))
    await store.keys.revoke(revoked.key.id)
    assert [key.id for key in await store.keys.page(active=True)] == [good.key.id]
    assert len(await store.keys.page()) == 3


async def test_edits_change_what_they_name(store: AccountStore) -> None:
    key = (await store.keys.create(NewKey("acme", name="old", models=("m",), expires_ms=now_ms() + 60_000))).key
    edited = await store.keys.edit(key.id, {"name": "new", "expires_ms": None})
    assert (edited.name, edited.models, edited.expires_ms) == ("new", ("m",), None)
    assert (await store.keys.edit(key.id, {"models": None})).models is None
    with pytest.raises(NotFound):
        await store.keys.edit("key_none", {"name": "x"})


async def test_a_rotated_key_keeps_its_id_and_rights(store: AccountStore) -> None:
    issued = await store.keys.create(
        NewKey("acme", "eu", "web", ("m",), limits=Limits(5), budgets=[TEN_DOLLARS], metadata={"a": "b"})
    )
    rotated = await store.keys.rotate(issued.key.id, grace_s=60)
    assert rotated.secret != issued.secret
    assert rotated.key.hint != issued.key.hint
    for name in ("id", "tenant", "customer", "name", "models", "groups", "metadata", "created_ms", "expires_ms"):
        assert getattr(rotated.key, name) == getattr(issued.key, name)
    left = (rotated.key.previous_until_ms or 0) - now_ms()
    assert 50_000 < left <= 60_000
    subject = Subject("key", issued.key.id)
    assert len(await store.rules.limits(subject, 10, None)) == len(await store.rules.budgets(subject, 10, None)) == 1


async def test_a_revoked_key_stays_revoked(store: AccountStore) -> None:
    key = (await store.keys.create(NewKey("acme"))).key
    first = await store.keys.revoke(key.id)
    assert first.state(now_ms()) == "revoked"
    assert await store.keys.revoke(key.id) == first
    with pytest.raises(Conflict):
        await store.keys.rotate(key.id)
    for missing in (store.keys.revoke("key_none"), store.keys.rotate("key_none"), store.keys.get("key_none")):
        with pytest.raises(NotFound):
            await missing


async def test_limits_are_replaced_as_a_whole(store: AccountStore) -> None:
    await store.keys.create(NewKey("acme"))
    await store.rules.set_limits(ACME, Limits(10, 1000, 2))
    rule = await store.rules.set_limits(ACME, Limits(tokens_per_minute=10**12))
    assert rule.limits == Limits(None, 10**12, None)
    assert await store.rules.limits(None, 10, None) == [rule]
    await store.rules.clear_limits(ACME)
    assert await store.rules.limits(ACME, 10, None) == []
    with pytest.raises(NotFound):
        await store.rules.clear_limits(ACME)


async def test_a_subject_has_one_budget_for_a_period(store: AccountStore) -> None:
    await store.keys.create(NewKey("acme"))
    first = await store.rules.set_budget(ACME, TEN_DOLLARS)
    raised = await store.rules.set_budget(ACME, BudgetTerms(9_000_000 * 10**9, "month"))
    assert (raised.id, raised.amount_nano) == (first.id, 9_000_000 * 10**9)
    assert raised.created_ms == first.created_ms > 1_700_000_000_000
    assert await store.rules.budgets(ACME, 10, None) == [raised]
    hour = await store.rules.set_budget(ACME, BudgetTerms(1, "rolling", 3600))
    assert await store.rules.set_budget(ACME, BudgetTerms(1, "rolling", 7200)) != hour
    assert (await store.rules.set_budget(ACME, BudgetTerms(2, "rolling", 3600))).id == hour.id
    assert len(await store.rules.budgets(ACME, 10, None)) == 3
    await store.rules.delete_budget(first.id)
    assert len(await store.rules.budgets(None, 10, None)) == 2
    with pytest.raises(NotFound):
        await store.rules.delete_budget(first.id)


@pytest.mark.parametrize("subject", ["key:key_none", "tenant:none", "customer:acme/none", "model:none/m"])
async def test_rules_for_what_does_not_exist_are_refused(store: AccountStore, subject: str) -> None:
    await store.keys.create(NewKey("acme", "eu"))
    with pytest.raises(NotFound):
        await store.rules.set_limits(Subject.parse(subject), Limits(1))
    with pytest.raises(NotFound):
        await store.rules.set_budget(Subject.parse(subject), TEN_DOLLARS)


@pytest.mark.parametrize(
    "subject", ["key:default", "tenant:default", "customer:acme/eu", "model:acme/org/m:a", "model:*/m"]
)
async def test_rules_for_what_exists_or_needs_no_row_are_taken(store: AccountStore, subject: str) -> None:
    await store.keys.create(NewKey("acme", "eu"))
    parsed = Subject.parse(subject)
    assert str(parsed) == subject
    assert (await store.rules.set_limits(parsed, Limits(1))).subject == subject
    if ":" not in parsed.name:  # the budgets of an adapter are its base's
        assert (await store.rules.set_budget(parsed, TEN_DOLLARS)).scope == parsed.scope


@pytest.mark.parametrize(
    "text", ["", "acme", "tenant:", "tenant:*", "tenant:a/b", "key:a b", "customer:eu", "model:m", "model:*/", "k:a\n"]
)
def test_what_is_no_subject_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        Subject.parse(text)


async def test_every_change_raises_the_version_and_names_its_subject(store: AccountStore, engine: AsyncEngine) -> None:
    key = (await store.keys.create(NewKey("acme"))).key
    subject = Subject("key", key.id)
    budget = await store.rules.set_budget(subject, TEN_DOLLARS)
    changes: list[Callable[[], Awaitable[Any]]] = [
        lambda: store.keys.create(NewKey("acme", limits=Limits(1), budgets=[TEN_DOLLARS])),
        lambda: store.keys.edit(key.id, {"name": "x"}),
        lambda: store.keys.rotate(key.id),
        lambda: store.rules.set_limits(subject, Limits(1)),
        lambda: store.rules.clear_limits(subject),
        lambda: store.rules.set_budget(subject, TEN_DOLLARS),
        lambda: store.rules.delete_budget(budget.id),
        lambda: store.keys.revoke(key.id),
        lambda: store.keys.revoke(key.id),
    ]
    for make in changes:
        async with engine.connect() as connection:
            before = await read_version(connection)
        await make()
        async with engine.connect() as connection:
            assert await read_version(connection) == before + 1
            noted = await changed_since(connection, before, before + 1)
        assert noted is not None
        assert len(noted) == 1
        assert noted == [str(subject)] or make is changes[0]


async def test_a_change_that_fails_changes_nothing(store: AccountStore, engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        before = await read_version(connection)
    with pytest.raises(NotFound):
        await store.rules.set_limits(ACME, Limits(1))
    async with engine.connect() as connection:
        assert await read_version(connection) == before


async def test_a_wrong_statement_is_a_bug_and_not_an_outage(store: AccountStore, engine: AsyncEngine) -> None:
    await store.keys.create(NewKey("acme"))
    again = insert(tenants).values(id="acme", name="", metadata={}, created_ms=0)
    with pytest.raises(IntegrityError), foreign_errors():
        async with engine.begin() as connection:
            await connection.execute(again)


async def test_changes_wait_for_a_long_transaction_rather_than_fail(store: AccountStore, engine: AsyncEngine) -> None:
    started = time.monotonic()

    async def hold() -> None:
        async with change(engine) as edit:
            await edit.note("tenant:x")
            await asyncio.sleep(0.3)

    async with asyncio.TaskGroup() as group:
        group.create_task(hold())
        await asyncio.sleep(0.1)
        group.create_task(store.keys.create(NewKey("acme")))
    assert time.monotonic() - started >= 0.3
