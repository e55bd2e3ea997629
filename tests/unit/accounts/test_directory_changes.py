"""Whatever is changed, in whatever order: a directory that follows knows what one that starts anew knows."""

import random
from dataclasses import dataclass, field

import pytest
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncEngine

from app.accounts import load as loading
from app.accounts.directory import Directory
from app.accounts.keys import Issued, NewKey
from app.accounts.rules import BudgetTerms
from app.accounts.store import AccountStore
from app.accounts.subjects import Subject
from app.accounts.types import Caller, Limits
from app.clock import now_ms
from app.config import AccountsConfig
from app.errors import SextantError
from app.sql.schema import directory_changes
from tests.unit.accounts.desk import SECRETS


@dataclass
class Operator:
    """Does something at random to the accounts, and remembers every secret there ever was."""

    store: AccountStore
    dice: random.Random
    keys: list[Issued] = field(default_factory=list)
    secrets: list[str] = field(default_factory=lambda: [SECRETS.api_key])

    async def act(self) -> None:
        dice, act = self.dice, self.dice.choice(["create", "rotate", "revoke", "edit", "limit", "budget", "lift"])
        try:
            if act == "create" or not self.keys:
                customer = dice.choice([None, "x"])
                self._keep(await self.store.keys.create(NewKey(dice.choice("ab"), customer, limits=Limits(5))))
            elif act == "rotate":
                self._keep(await self.store.keys.rotate(dice.choice(self.keys).key.id, dice.choice([0, 3600])))
            elif act == "revoke":
                await self.store.keys.revoke(dice.choice(self.keys).key.id)
            elif act == "edit":
                expiry = dice.choice([None, now_ms() + 3_600_000, 1])
                await self.store.keys.edit(dice.choice(self.keys).key.id, {"models": ["m"], "expires_ms": expiry})
            elif act == "limit":
                await self.store.rules.set_limits(self._subject(), Limits(dice.randrange(1, 9)))
            elif act == "budget":
                await self.store.rules.set_budget(self._subject(), BudgetTerms(dice.randrange(9), "day"))
            else:
                await self.store.rules.clear_limits(self._subject())
                for budget in (await self.store.rules.budgets(None, 10, None))[:1]:
                    await self.store.rules.delete_budget(budget.id)
        except SextantError:
            pass  # it does not exist, or is revoked: part of the game

    def _subject(self) -> Subject:
        key = self.dice.choice(self.keys).key.id
        rules = ["key:default", f"key:{key}", "tenant:a", "tenant:b", "customer:a/x", "model:*/m", "model:a/m"]
        return Subject.parse(self.dice.choice(rules))

    def _keep(self, issued: Issued) -> None:
        self.keys.append(issued)
        self.secrets.append(issued.secret)


def answers(directory: Directory, secrets: list[str]) -> list[Caller | str]:
    found: list[Caller | str] = []
    for secret in secrets:
        try:
            found.append(directory.authenticate(f"Bearer {secret}"))
        except SextantError as error:
            found.append(error.message)
    return found


@pytest.mark.parametrize("seed", range(4))
async def test_following_is_as_good_as_starting_anew(
    store: AccountStore, engine: AsyncEngine, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator, config = Operator(store, random.Random(seed)), AccountsConfig()
    follower = Directory(SECRETS, engine, config)
    await follower.refresh()
    loads = 0
    load = loading.load

    async def count(connection: object) -> object:
        nonlocal loads
        loads += 1
        return await load(connection)  # type: ignore[arg-type]

    monkeypatch.setattr("app.accounts.directory.load", count)
    for _ in range(12):
        for _ in range(operator.dice.randrange(1, 5)):
            await operator.act()
        await follower.refresh()
        newcomer = Directory(SECRETS, engine, config)
        await newcomer.refresh()
        assert answers(follower, operator.secrets) == answers(newcomer, operator.secrets)
    assert loads == 12  # the newcomers': the follower never loaded everything again


async def test_a_directory_that_is_too_far_behind_loads_everything(store: AccountStore, engine: AsyncEngine) -> None:
    follower = Directory(SECRETS, engine, AccountsConfig())
    await follower.refresh()
    first = await store.keys.create(NewKey("acme"))
    await store.keys.create(NewKey("acme"))
    async with engine.begin() as connection:
        await connection.execute(delete(directory_changes).where(directory_changes.c.version == 1))
    await follower.refresh()
    assert follower.authenticate(f"Bearer {first.secret}").tenant == "acme"
