"""`GET /v1/usage`: a customer sees its own, all of it, and nothing else."""

from datetime import UTC, datetime
from itertools import product
from typing import Any

import httpx
import pytest

from app.accounts.keys import Issued, NewKey
from app.accounts.rules import BudgetTerms
from app.accounts.subjects import Subject
from app.accounts.types import Limits
from app.ledger.types import UsageRow
from tests.unit.accounts.desk import SECRETS, Desk, bearer
from tests.unit.wire import error_of

# Whom keys belong to: two tenants whose customers share a name, and keys without a customer.
OWNERS = [("a", "x"), ("a", "x"), ("a", "y"), ("a", None), ("a", None), ("b", "x"), ("b", None)]


async def of(client: httpx.AsyncClient, secret: str, **query: str) -> dict[str, Any]:
    response = await client.get("/v1/usage", headers=bearer(secret), params=query)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_no_key_sees_what_is_not_its_own(desk: Desk) -> None:
    keys = [await desk.accounts.keys.create(NewKey(tenant, customer)) for tenant, customer in OWNERS]
    rows: list[UsageRow] = []
    # Each row costs another power of two, so that a sum says which rows are in it.
    for number, (issued, model) in enumerate(product(keys, ["m", "n"])):
        key = issued.key
        fields = {"tenant": key.tenant, "customer": key.customer, "key_id": key.id, "model": model}
        rows.append(await desk.use(**fields, cost_nano=2**number))
    await desk.directory.refresh()

    def own(issued: Issued) -> list[UsageRow]:
        key = issued.key
        mine = [row for row in rows if row.tenant == key.tenant]
        if key.customer:
            return [row for row in mine if row.customer == key.customer]
        return [row for row in mine if row.key_id == key.id]

    async with desk.client() as client:
        for issued in keys:
            answer = await of(client, issued.secret, group_by="key,model")
            expected = own(issued)
            assert round(answer["total"]["cost_usd"] * 1e9) == sum(row.cost_nano for row in expected)
            assert {(row["key"], row["model"]) for row in answer["data"]} == {(r.key_id, r.model) for r in expected}
            foreign = {other.key.id for other in keys} - {row.key_id for row in expected}
            assert not [key_id for key_id in foreign if key_id in str(answer)]
        assert (await of(client, SECRETS.api_key))["total"]["requests"] == 0


async def test_own_limits_and_budgets_are_shown_and_others_spending_is_not(desk: Desk) -> None:
    terms = BudgetTerms(10**9, "month")
    key = await desk.accounts.keys.create(NewKey("a", "x", limits=Limits(60), budgets=[terms]))
    for subject in ("customer:a/x", "tenant:a", "model:a/m"):
        await desk.accounts.rules.set_budget(Subject.parse(subject), terms)
        await desk.accounts.rules.set_limits(Subject.parse(subject), Limits(600))
    await desk.use(tenant="a", customer="x", key_id=key.key.id, cost_nano=250_000_000)
    await desk.directory.refresh()
    async with desk.client() as client:
        answer = await of(client, key.secret)
    assert answer["of"] == "customer:a/x"
    assert [(budget["scope"], budget["left_usd"]) for budget in answer["budgets"]] == [
        ("key", 0.75),
        ("customer", 0.75),
    ]
    assert [rule["scope"] for rule in answer["limits"]] == ["key", "customer", "tenant"]


async def test_the_span_is_this_month_unless_it_is_given(desk: Desk) -> None:
    now = datetime.now(UTC)
    last_month = datetime(now.year - 1, 12, 31, 23, 59, tzinfo=UTC)
    await desk.use(cost_nano=1)
    await desk.use(cost_nano=2, at_ms=round(last_month.timestamp() * 1000))
    async with desk.client() as client:
        answer = await of(client, SECRETS.api_key)
        assert answer["total"]["cost_usd"] == 1e-9
        assert answer["from"][:10] == f"{now:%Y-%m}-01"
        assert [(row["day"], row["model"]) for row in answer["data"]] == [(f"{now:%Y-%m-%d}", "m")]
        day = {"from": f"{now.year - 1}-12-31", "to": f"{now.year}-01-01"}
        assert (await of(client, SECRETS.api_key, **day))["total"]["cost_usd"] == 2e-9
        assert (await of(client, SECRETS.api_key, **{**day, "to": f"{now.year - 1}-12-31T23:59:00Z"}))["data"] == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("group_by=tenant", "group_by"),
        ("tenant=b", "tenant"),
        ("key=k", "key"),
        ("from=x", "from"),
        ("limit=0", "limit"),
    ],
)
async def test_one_cannot_ask_for_more(sqlite_desk: Desk, query: str, param: str) -> None:
    async with sqlite_desk.client(bearer(SECRETS.api_key)) as client:
        assert error_of(await client.get(f"/v1/usage?{query}"), 400)["param"] == param


async def test_usage_wants_a_key(sqlite_desk: Desk) -> None:
    async with sqlite_desk.client() as client:
        error_of(await client.get("/v1/usage"), 401)  # the admin key is nobody's
        error_of(await client.get("/v1/usage", headers={"authorization": ""}), 401)
