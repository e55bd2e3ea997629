"""The directory: who is let in, how soon a change holds, and what happens when the database is away."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from app.accounts.book import Book, KeyRecord
from app.accounts.directory import Directory
from app.accounts.keys import NewKey
from app.accounts.rules import BudgetTerms
from app.accounts.store import AccountStore
from app.accounts.subjects import Subject
from app.accounts.tokens import BatchTokens, KeyHasher
from app.accounts.types import Caller, Limits
from app.clock import now_ms
from app.config import AccountsConfig
from app.config.secrets import BATCH_PREFIX
from app.errors import PermissionDenied, SextantError, Unauthenticated, Unavailable
from app.sql.database import database_url, open_database
from app.sql.migrate import migrate
from app.sql.schema import directory_version, keys, tenants
from tests.postgres import postgres_directory, running_postgres
from tests.unit.accounts.desk import SECRETS

PROMISED_S = 2.0
BUDGET = BudgetTerms(10**9, "day")


def bearer(secret: str) -> str:
    return f"Bearer {secret}"


@pytest.fixture
async def directory(engine: AsyncEngine) -> Directory:
    directory = Directory(SECRETS, engine, AccountsConfig())
    await directory.refresh()
    return directory


def refusal(directory: Directory, secret: str) -> str:
    with pytest.raises(Unauthenticated) as refused:
        directory.authenticate(bearer(secret))
    return refused.value.message


async def test_a_key_is_its_tenants_customers_and_models(store: AccountStore, directory: Directory) -> None:
    issued = await store.keys.create(NewKey("acme", "eu", models=("m", "n"), groups=("staff", "board")))
    assert refusal(directory, issued.secret) == "This API key is not valid."
    await directory.refresh()
    caller = Caller("acme", issued.key.id, "eu", frozenset({"m", "n"}), ("board", "staff"))
    assert directory.authenticate(bearer(issued.secret)) == caller
    assert directory.authenticate(None, issued.secret) == caller
    assert directory.authenticate(f"bearer   {issued.secret} ") == caller


@pytest.mark.parametrize(
    "headers",
    [(None, None), ("", ""), ("Bearer", None), ("Basic abc", None), ("Basic abc", SECRETS.api_key), ("Bearer  ", None)],
)
async def test_without_a_bearer_key_nobody_is_let_in(directory: Directory, headers: tuple[str | None, ...]) -> None:
    with pytest.raises(Unauthenticated):
        directory.authenticate(*headers)


@pytest.mark.parametrize("secret", ["x", "sk-sextant-", "sk-batch-", "sk-batch-a.b", "k" * 5000, "\udc80ü\x00"])
async def test_what_is_no_key_is_not_valid(directory: Directory, secret: str) -> None:
    assert "not valid" in refusal(directory, secret)


async def test_the_whole_digest_counts(engine: AsyncEngine, directory: Directory) -> None:
    """A key whose hash begins as another's is found by the index and must still be refused."""
    digest = KeyHasher(SECRETS).digest("sk-sextant-mine")
    row: dict[str, Any] = {"id": "key_near", "tenant": "acme", "name": "", "hint": "", "metadata": {}, "created_ms": 0}
    async with engine.begin() as connection:
        await connection.execute(insert(tenants).values(id="acme", name="", metadata={}, created_ms=0))
        await connection.execute(insert(keys).values(**row, digest=digest[:31] + bytes([digest[31] ^ 1])))
    await directory.refresh()
    assert refusal(directory, "sk-sextant-mine") == "This API key is not valid."
    book = Book()
    for number in (0, 1):
        whole = digest[:31] + bytes([digest[31] ^ number])
        book.put_key(f"k{number}", KeyRecord(f"k{number}", "acme", whole))
    directory.use(book)
    assert directory.authenticate(bearer("sk-sextant-mine")).key_id == "k0"
    book.put_key("k0", None)
    assert refusal(directory, "sk-sextant-mine") == "This API key is not valid."


async def test_only_the_holder_learns_why_a_key_is_refused(store: AccountStore, directory: Directory) -> None:
    expired = await store.keys.create(NewKey("acme", expires_ms=now_ms() + 30))
    revoked = await store.keys.create(NewKey("acme"))
    await store.keys.revoke(revoked.key.id)
    await directory.refresh()
    await becomes(Unauthenticated, lambda: directory.authenticate(bearer(expired.secret)))
    assert refusal(directory, expired.secret) == "This API key has expired."
    assert refusal(directory, revoked.secret) == "This API key was revoked."
    assert refusal(directory, expired.secret + "x") == "This API key is not valid."


async def test_a_rotated_key_is_accepted_for_its_grace(store: AccountStore, directory: Directory) -> None:
    first = await store.keys.create(NewKey("acme", limits=Limits(3), budgets=[BUDGET]))
    second = await store.keys.rotate(first.key.id, grace_s=60)
    await directory.refresh()
    caller = directory.authenticate(bearer(second.secret))
    assert directory.authenticate(bearer(first.secret)) == caller
    third = await store.keys.rotate(first.key.id)
    await directory.refresh()
    assert refusal(directory, second.secret) == "This API key was rotated; use the new one."
    assert refusal(directory, first.secret) == "This API key is not valid."
    assert directory.authenticate(bearer(third.secret)) == caller
    await store.keys.rotate(first.key.id, grace_s=60)
    await store.keys.revoke(first.key.id)
    await directory.refresh()
    assert refusal(directory, third.secret) == "This API key was revoked."


async def test_a_caller_carries_what_is_set_for_all_that_it_is(store: AccountStore, directory: Directory) -> None:
    issued = await store.keys.create(NewKey("acme", "eu", limits=Limits(1), budgets=[BUDGET]))
    other = await store.keys.create(NewKey("other", "eu"))
    for number, subject in enumerate(
        ["customer:acme/eu", "tenant:acme", "model:*/m", "model:acme/m", "model:other/m", "customer:other/eu"], 2
    ):
        await store.rules.set_limits(Subject.parse(subject), Limits(number))
        await store.rules.set_budget(Subject.parse(subject), BudgetTerms(number, "month"))
    await directory.refresh()
    caller = directory.authenticate(bearer(issued.secret))
    assert [rule.subject for rule in caller.limits] == [f"key:{issued.key.id}", "customer:acme/eu", "tenant:acme"]
    assert [rule.limits.requests_per_minute for rule in caller.limits] == [1, 2, 3]
    assert [budget.amount_nano for budget in caller.budgets] == [10**9, 2, 3]
    assert {name: [rule.subject for rule in rules] for name, rules in caller.model_limits.items()} == {
        "m": ["model:*/m", "model:acme/m"]
    }
    assert [budget.amount_nano for budget in caller.model_budgets["m"]] == [4, 5]
    assert directory.authenticate(bearer(other.secret)).limits[0].subject == "customer:other/eu"


async def test_the_default_key_needs_no_row_but_obeys_its_limits(store: AccountStore, directory: Directory) -> None:
    assert directory.authenticate(bearer(SECRETS.api_key)) == Caller("default", "default")
    await store.rules.set_limits(Subject("key", "default"), Limits(1))
    await store.rules.set_budget(Subject("tenant", "default"), BUDGET)
    await directory.refresh()
    caller = directory.authenticate(bearer(SECRETS.api_key))
    assert caller.limits[0].limits.requests_per_minute == 1
    assert caller.budgets[0].amount_nano == 10**9


async def test_the_admin_key_administers_and_nothing_else(store: AccountStore, directory: Directory) -> None:
    issued = await store.keys.create(NewKey("acme"))
    await directory.refresh()
    directory.authenticate_admin(bearer(SECRETS.admin_key))
    directory.authenticate_admin(None, SECRETS.admin_key)
    for secret in (SECRETS.api_key, issued.secret):
        with pytest.raises(PermissionDenied):
            directory.authenticate_admin(bearer(secret))
    for header in (None, bearer("sk-admin-wrong"), SECRETS.admin_key):
        with pytest.raises(Unauthenticated):
            directory.authenticate_admin(header)
    assert refusal(directory, SECRETS.admin_key) == "This API key is not valid."


async def test_a_batch_token_is_its_key_for_a_while(store: AccountStore, directory: Directory) -> None:
    issued = await store.keys.create(NewKey("acme", "eu"))
    token = BatchTokens(SECRETS).issue(issued.key.id, "acme", "batch_1", ttl_s=60)
    await store.rules.set_limits(Subject("tenant", "acme"), Limits(7))
    await directory.refresh()
    caller = directory.authenticate(bearer(token))
    assert (caller.tenant, caller.key_id, caller.customer, caller.batch) == ("acme", issued.key.id, "eu", "batch_1")
    assert caller.limits[0].limits.requests_per_minute == 7
    assert directory.authenticate(bearer(issued.secret)).batch is None
    with pytest.raises(PermissionDenied):
        directory.authenticate_admin(bearer(token))
    for position in range(len(BATCH_PREFIX), len(token) - 1):  # the last character has bits that mean nothing
        forged = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        assert refusal(directory, forged) == "This batch token is not valid."
    late = BatchTokens(SECRETS).issue(issued.key.id, "acme", "batch_1", ttl_s=-1)
    assert refusal(directory, late) == "This batch token has expired."
    stolen = BatchTokens(SECRETS).issue(issued.key.id, "other", "batch_1", ttl_s=60)
    assert "does not exist" in refusal(directory, stolen)
    mine = BatchTokens(SECRETS).issue("default", "default", "batch_2", ttl_s=60)
    assert directory.authenticate(bearer(mine)).batch == "batch_2"
    await store.keys.revoke(issued.key.id)
    await directory.refresh()
    assert refusal(directory, token) == "This API key was revoked."


@asynccontextmanager
async def following(*directories: Directory) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(directory.follow()) for directory in directories]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def becomes(expected: type[SextantError] | None, ask: Callable[[], object]) -> float:
    """Wait until asking raises this error (None: none); returns the seconds it took."""
    started = time.monotonic()
    while True:
        try:
            ask()
            got: type[SextantError] | None = None
        except SextantError as error:
            got = type(error)
        if got is expected:
            return time.monotonic() - started
        assert time.monotonic() - started < 10, f"still {got}"
        await asyncio.sleep(0.01)


async def test_a_change_holds_everywhere_within_two_seconds(store: AccountStore, database: URL) -> None:
    engines = [open_database(database) for _ in range(2)]
    directories = [Directory(SECRETS, engine, AccountsConfig()) for engine in engines]
    async with following(*directories):
        issued = await store.keys.create(NewKey("acme"))
        ask = [partial(directory.authenticate, bearer(issued.secret)) for directory in directories]
        created = await asyncio.gather(*(becomes(None, one) for one in ask))
        await store.keys.revoke(issued.key.id)
        revoked = await asyncio.gather(*(becomes(Unauthenticated, one) for one in ask))
    assert max(created + revoked) < PROMISED_S
    for engine in engines:
        await engine.dispose()


async def test_before_keys_are_loaded_nobody_is_let_in(engine: AsyncEngine) -> None:
    directory = Directory(SECRETS, engine, AccountsConfig())
    for secret in ("sk-sextant-x", SECRETS.api_key):
        with pytest.raises(Unavailable):
            directory.authenticate(bearer(secret))
    directory.authenticate_admin(bearer(SECRETS.admin_key))


async def test_keys_are_believed_for_a_while_without_the_database(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with postgres_directory() as place, ExitStack() as ending:
        postgres = running_postgres(place)
        ending.callback(postgres.__exit__)
        server = await asyncio.to_thread(postgres.__enter__)
        url = database_url(await asyncio.to_thread(server.create_database), tmp_path)
        await asyncio.to_thread(migrate, url)
        engine = open_database(url)
        issued = await AccountStore(engine, SECRETS).keys.create(NewKey("acme"))
        directory = Directory(SECRETS, engine, AccountsConfig(refresh_s=0.02, max_stale_s=1.5))
        ask = partial(directory.authenticate, bearer(issued.secret))
        async with following(directory):
            await becomes(None, ask)
            postgres.__exit__()
            assert ask().tenant == "acme"
            await becomes(Unavailable, ask)
            assert directory.authenticate(bearer(SECRETS.api_key)).tenant == "default"
            with pytest.raises(Unavailable):  # it may be a key that was made meanwhile
                directory.authenticate(bearer("sk-sextant-unknown"))
            await asyncio.to_thread(postgres.__enter__)
            await becomes(None, ask)
            await AccountStore(engine, SECRETS).keys.revoke(issued.key.id)
            await becomes(Unauthenticated, ask)
        await engine.dispose()
    said = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert [line.partition(":")[0] for line in said] == ["keys are not refreshed"]


async def test_a_restored_database_is_read_anew(store: AccountStore, directory: Directory, engine: AsyncEngine) -> None:
    issued = await store.keys.create(NewKey("acme"))
    await store.keys.edit(issued.key.id, {"name": "x"})
    await directory.refresh()
    async with engine.begin() as connection:
        await connection.execute(update(keys).values(revoked_ms=1))
        await connection.execute(update(directory_version).values(version=1))
    await directory.refresh()
    assert refusal(directory, issued.secret) == "This API key was revoked."
