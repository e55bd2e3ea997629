"""Sums over usage rows, in SQLite and PostgreSQL, against sums made in Python."""

import random
import uuid
from collections import defaultdict
from dataclasses import asdict, fields
from typing import Any

import pytest

from app.accounts.money import nano_of, usd, usd_text
from app.accounts.spend import DAY_MS, Group, Totals, UsageFilter
from app.errors import InvalidRequest
from app.ledger.types import UsageRow
from tests.unit.accounts.desk import Desk

START = 20_000 * DAY_MS


@pytest.fixture
async def rows(desk: Desk) -> list[UsageRow]:
    """200 rows over five days, several to a millisecond."""
    dice = random.Random(7)
    made = []
    for _ in range(200):
        row = await desk.use(
            at_ms=START + dice.randrange(5) * DAY_MS + dice.choice([0, 1, DAY_MS - 1]),
            tenant=dice.choice(["a", "b"]),
            customer=dice.choice([None, "x", "y"]),
            key_id=dice.choice(["k1", "k2"]),
            model=dice.choice(["m", "n", ""]),
            outcome=dice.choice(["ok", "cancelled", "error"]),
            batch=dice.choice([None, "b1", "b2"]),
            prompt_tokens=dice.randrange(1000),
            completion_tokens=dice.randrange(1000),
            cost_nano=dice.randrange(10**15),
        )
        made.append(row)
    return made


def sums(rows: list[UsageRow]) -> Totals:
    names = [field.name for field in fields(Totals) if field.name != "requests"]
    return Totals(len(rows), *(sum(getattr(row, name) for row in rows) for name in names))


@pytest.mark.parametrize("groups", [["day"], ["model"], ["customer"], ["day", "key", "outcome"], ["tenant", "batch"]])
async def test_groups_sum_up_exactly(desk: Desk, rows: list[UsageRow], groups: list[Group]) -> None:
    by_group: dict[tuple[Any, ...], list[UsageRow]] = defaultdict(list)
    for row in rows:
        key: list[Any] = []
        for group in groups:
            if group == "day":
                key.append(row.at_ms // DAY_MS)
            elif group == "customer":
                key += [row.tenant, row.customer]
            else:
                key.append(row.key_id if group == "key" else getattr(row, group))
        by_group[tuple(key)].append(row)
    found = await desk.accounts.usage.by(groups, UsageFilter(), limit=1000)
    assert {tuple(one.group.values()): one.totals for one in found} == {
        key: sums(members) for key, members in by_group.items()
    }


async def test_pages_of_groups_are_the_whole_in_order(desk: Desk, rows: list[UsageRow]) -> None:
    usage = desk.accounts.usage
    groups: tuple[Group, ...] = ("day", "model")
    whole = await usage.by(groups, UsageFilter(), limit=1000)
    pages = [await usage.by(groups, UsageFilter(), 4, offset) for offset in range(0, len(whole), 4)]
    assert [one for page in pages for one in page] == whole
    assert [one.group["day"] for one in whole] == sorted(one.group["day"] for one in whole)


@pytest.mark.parametrize("groups", [["model", "customer", "day"], ["batch", "outcome"], ["key"]])
async def test_pages_of_a_table_hold_each_group_once_whatever_is_billed_between_them(
    desk: Desk, rows: list[UsageRow], groups: list[Group]
) -> None:
    usage = desk.accounts.usage
    whole = [one.group for one in await usage.table(groups, UsageFilter(), limit=1000)]
    seen: list[dict[str, Any]] = []
    while page := await usage.table(groups, UsageFilter(), 3, after=seen[-1] if seen else None):
        seen += [one.group for one in page]
        for row in rows[len(seen) :: 20]:  # what was last costs most from now on, here and there
            await desk.use(**{**asdict(row), "id": uuid.uuid4().hex, "cost_nano": 10**16})
    assert seen == whole
    days = [group["day"] for group in seen if "day" in group]
    assert days == sorted(days)


async def test_pages_by_number_of_a_table_are_the_whole(desk: Desk, rows: list[UsageRow]) -> None:
    usage = desk.accounts.usage
    whole = await usage.table(("customer", "batch"), UsageFilter(), limit=1000)
    pages = [await usage.table(("customer", "batch"), UsageFilter(), 2, offset) for offset in range(0, len(whole), 2)]
    assert [one for page in pages for one in page] == whole


@pytest.mark.parametrize(
    "after",
    [
        {},
        {"day": 20_000},
        {"day": "20000", "model": "m"},
        {"day": True, "model": "m"},
        {"day": 10**40, "model": "m"},
        {"day": None, "model": "m"},
        {"day": 20_000, "model": 7},
        {"day": 20_000, "model": "\x00"},
        {"day": 20_000, "model": ["m"]},
        {"day": 20_000, "model": "m", "tenant": "a"},
    ],
)
async def test_a_place_that_no_table_has_is_refused(desk: Desk, after: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await desk.accounts.usage.table(("day", "model"), UsageFilter(), 10, after=after)
    assert refused.value.param == "after"


async def test_a_span_holds_its_start_and_not_its_end(desk: Desk, rows: list[UsageRow]) -> None:
    where = UsageFilter(START + DAY_MS, START + 2 * DAY_MS, tenant="a")
    day = [row for row in rows if row.at_ms // DAY_MS == 20_001 and row.tenant == "a"]
    assert any(row.at_ms % DAY_MS == 0 for row in day)
    assert any(row.at_ms % DAY_MS == DAY_MS - 1 for row in day)
    assert await desk.accounts.usage.total(where) == sums(day)
    assert await desk.accounts.usage.total(UsageFilter(tenant="none")) == Totals(0, 0, 0, 0, 0, 0)


async def test_requests_come_newest_first_and_each_once(desk: Desk, rows: list[UsageRow]) -> None:
    where = UsageFilter(tenant="a", outcome="ok")
    seen: list[UsageRow] = []
    while page := await desk.accounts.usage.requests(where, 7, seen[-1].id if seen else None):
        seen += page
    mine = [row for row in rows if row.tenant == "a" and row.outcome == "ok"]
    assert seen == sorted(mine, key=lambda row: (row.at_ms, row.id), reverse=True)
    other = next(row for row in rows if row.tenant == "b")
    with pytest.raises(InvalidRequest):
        await desk.accounts.usage.requests(where, 7, other.id)


@pytest.mark.parametrize("nano", [0, 1, 10, 999_999_999, 10**9, 123_456_789_012, 4 * 10**15 - 1])
def test_money_survives_the_wire(nano: int) -> None:
    assert nano_of(usd(nano)) == nano
    whole, _, part = usd_text(nano).partition(".")
    assert int(whole + part) == nano
    assert len(part) == 9
