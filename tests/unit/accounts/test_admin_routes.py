"""The admin routes: who may use them, what they answer, and that nothing wrong gets further than a 4xx."""

import asyncio
import base64
import csv
import io
from typing import Any

import pytest
from fastapi.routing import APIRoute

from app.clock import now_ms
from app.gateway import admin
from app.gateway.cursors import cursor_of
from tests.unit.accounts.desk import SECRETS, Desk, bearer
from tests.unit.wire import error_of

ROUTES = [
    (method, route.path.replace("{key_id}", "key_1").replace("{budget_id}", "budget_1"))
    for route in admin.router.routes
    if isinstance(route, APIRoute)
    for method in route.methods
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_every_admin_route_wants_the_admin_key(sqlite_desk: Desk, method: str, path: str) -> None:
    async with sqlite_desk.client() as client:
        user = await client.request(method, path, headers=bearer(SECRETS.api_key), json={"bad": 1})
        assert error_of(user, 403)["code"] == "permission_denied"
        for header in ({"authorization": ""}, bearer("sk-admin-wrong"), {"authorization": SECRETS.admin_key}):
            assert error_of(await client.request(method, path, headers=header), 401)["code"] == "invalid_api_key"


def test_the_table_of_routes_is_not_empty() -> None:
    assert len(ROUTES) >= 16
    assert all(path.startswith("/admin/v1/") for _, path in ROUTES)


async def test_a_key_lives_from_creation_to_revocation(desk: Desk) -> None:
    async with desk.client() as client:
        body = {
            "tenant": "acme",
            "customer": "eu",
            "name": "web",
            "models": ["m"],
            "metadata": {"team": "web"},
            "expires_at": 32_000_000_000,
            "limits": {"requests_per_minute": 60},
            "budgets": [{"amount_usd": 2.5, "period": "month"}],
        }
        response = await client.post("/admin/v1/keys", json=body)
        assert response.status_code == 201
        assert response.headers["cache-control"] == "no-store"
        made = response.json()
        secret, key_id = made.pop("key"), made["id"]
        assert made.pop("made") == ["tenant:acme", "customer:acme/eu"]
        # It works here at once, without waiting for the next refresh.
        caller = desk.directory.authenticate(f"Bearer {secret}")
        assert caller.limits[0].limits.requests_per_minute == 60
        assert caller.budgets[0].amount_nano == 2_500_000_000
        assert caller.budgets[0].created_ms > 1_700_000_000_000
        assert (await client.get(f"/admin/v1/keys/{key_id}")).json() == made
        assert (await client.get("/admin/v1/keys", params={"tenant": "acme", "customer": "eu"})).json()["data"] == [
            made
        ]
        edited = (await client.patch(f"/admin/v1/keys/{key_id}", json={"expires_at": None, "models": None})).json()
        assert edited == {**made, "expires_at": None, "models": None}
        rotated = (await client.post(f"/admin/v1/keys/{key_id}/rotate", json={"grace_s": 60})).json()
        assert rotated["id"] == key_id
        again = (await client.post(f"/admin/v1/keys/{key_id}/rotate")).json()
        revoked = (await client.post(f"/admin/v1/keys/{key_id}/revoke")).json()
        assert revoked["state"] == "revoked"
        for old in (secret, rotated["key"], again["key"]):
            assert (await client.get("/v1/usage", headers=bearer(old))).status_code == 401
        assert secret not in (await client.get("/admin/v1/keys")).text
        tenants = (await client.get("/admin/v1/tenants")).json()["data"]
        customers = (await client.get("/admin/v1/customers", params={"tenant": "acme"})).json()["data"]
    assert [tenant["id"] for tenant in tenants] == ["acme"]
    assert [(customer["tenant"], customer["id"]) for customer in customers] == [("acme", "eu")]


async def test_lists_are_paged(desk: Desk) -> None:
    async with desk.client() as client:
        for number in range(5):
            await client.post("/admin/v1/keys", json={"tenant": f"t{number}"})
            await client.put("/admin/v1/limits", json={"subject": f"tenant:t{number}", "requests_per_minute": 1})
            await client.post(
                "/admin/v1/budgets", json={"subject": f"tenant:t{number}", "amount_usd": 1, "period": "day"}
            )
        for path, after in (("keys", "id"), ("tenants", "id"), ("limits", "subject"), ("budgets", "id")):
            seen: list[str] = []
            while True:
                query = {"limit": 2} | ({"after": seen[-1]} if seen else {})
                page = (await client.get(f"/admin/v1/{path}", params=query)).json()
                seen += [row[after] for row in page["data"]]
                if not page["has_more"]:
                    break
                assert len(page["data"]) == 2
            assert len(set(seen)) == len(seen) == 5


async def test_a_budget_shows_what_is_left(desk: Desk) -> None:
    async with desk.client() as client:
        body = {"subject": "tenant:default", "amount_usd": 1.5, "period": "rolling", "window_s": 3600}
        made = (await client.post("/admin/v1/budgets", json=body)).json()
        await desk.use(cost_nano=400_000_000)
        shown = (await client.get("/admin/v1/budgets", params={"subject": "tenant:default"})).json()["data"]
        assert [shown[0][name] for name in ("amount_usd", "spent_usd", "left_usd")] == [1.5, 0.4, 1.1]
        await desk.use(cost_nano=10**12)
        shown = (await client.get("/admin/v1/budgets")).json()["data"]
        assert (shown[0]["id"], shown[0]["left_usd"]) == (made["id"], 0)
        assert (await client.delete(f"/admin/v1/budgets/{made['id']}")).json()["deleted"]
        assert (await client.get("/admin/v1/budgets")).json()["data"] == []


@pytest.mark.parametrize("owner", ["*", "default"])
async def test_a_budget_of_an_adapter_is_refused_and_its_base_named(sqlite_desk: Desk, owner: str) -> None:
    body = {"subject": f"model:{owner}/org/m:law:2", "amount_usd": 1, "period": "day"}
    async with sqlite_desk.client() as client:
        error = error_of(await client.post("/admin/v1/budgets", json=body), 400)
        assert error["param"] == "subject"
        assert f"model:{owner}/org/m." in error["message"]
        assert (await client.get("/admin/v1/budgets")).json()["data"] == []
        body["subject"] = f"model:{owner}/org/m"
        assert (await client.post("/admin/v1/budgets", json=body)).status_code == 200


async def test_limits_are_set_shown_and_cleared(desk: Desk) -> None:
    async with desk.client() as client:
        body = {"subject": "model:*/org/m:a", "tokens_per_minute": 5, "concurrent_requests": None}
        rule = (await client.put("/admin/v1/limits", json=body)).json()
        assert rule == {
            "object": "limits",
            "subject": "model:*/org/m:a",
            "scope": "model",
            "requests_per_minute": None,
            "tokens_per_minute": 5,
            "concurrent_requests": None,
        }
        about = {"subject": "model:*/org/m:a"}
        assert (await client.get("/admin/v1/limits", params=about)).json()["data"] == [rule]
        assert (await client.delete("/admin/v1/limits", params=about)).json()["deleted"]
        assert error_of(await client.delete("/admin/v1/limits", params=about), 404)["param"] == "subject"


async def test_spend_adds_up_in_json_and_csv(desk: Desk) -> None:
    async with desk.client() as client:
        key = (await client.post("/admin/v1/keys", json={"tenant": "acme", "name": "=cmd|x"})).json()["id"]
        for cost in (1, 2_000_000_001):
            await desk.use(tenant="acme", key_id=key, cost_nano=cost, prompt_tokens=3)
        await desk.use(tenant="acme", key_id="gone", requested_model="@SUM(1)", cost_nano=5)
        await desk.use(tenant="other", cost_nano=10**12)
        query = {"group_by": "key", "tenant": "acme"}
        answer = (await client.get("/admin/v1/spend", params=query)).json()
        assert answer["total"]["cost_usd"] == 2.000000007
        assert [(row["key"], row["key_name"], row["requests"]) for row in answer["data"]] == [
            (key, "=cmd|x", 2),
            ("gone", "", 1),
        ]
        response = await client.get("/admin/v1/spend", params={**query, "format": "csv"})
        assert response.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(response.text)))
        assert [row["cost_usd"] for row in rows] == ["0.000000005", "2.000000002"]
        assert rows[1]["key_name"] == "'=cmd|x"
        query = {"group_by": "requested_model,day", "tenant": "acme"}
        table = (await client.get("/admin/v1/spend", params=query, headers={"accept": "text/csv"})).text
        assert [row["requested_model"] for row in csv.DictReader(io.StringIO(table))] == ["'@SUM(1)", "chat"]


async def test_a_table_that_goes_on_links_to_the_rest(desk: Desk) -> None:
    for number in range(5):
        await desk.use(model=f"m{number}", cost_nano=number)
    async with desk.client() as client:
        path, seen = "/admin/v1/spend?group_by=model&format=csv&limit=2", []
        while path:
            response = await client.get(path)
            seen += [row["model"] for row in csv.DictReader(io.StringIO(response.text))]
            path = response.links.get("next", {}).get("url", "")
            # A request that was admitted before, and is billed only now: it may move no group.
            await desk.use(model="m1", cost_nano=10**12, at_ms=now_ms() - 1000)
    assert seen == ["m0", "m1", "m2", "m3", "m4"]


async def test_a_table_of_a_running_period_ends_when_its_first_page_is_read(desk: Desk) -> None:
    for number in range(4):
        await desk.use(model=f"m{number}", key_id="k", tenant="acme", customer=["eu", None][number % 2])
    async with desk.client() as client:
        path = "/admin/v1/spend?group_by=customer,key,model&format=csv&limit=2&offset=1"
        first = await client.get(path)
        await desk.use(model="m9", key_id="k", tenant="zoo", at_ms=now_ms() + 2)
        last = await client.get(first.links["next"]["url"])
        assert "next" not in last.links
        await asyncio.sleep(0.01)
        whole = await client.get("/admin/v1/spend?group_by=customer,key,model&format=csv")
    models = [[row["model"] for row in csv.DictReader(io.StringIO(page.text))] for page in (first, last, whole)]
    # Who has no customer comes first, whichever the database.
    assert models == [["m3", "m0"], ["m2"], ["m1", "m3", "m0", "m2", "m9"]]


async def test_requests_are_shown_one_by_one(desk: Desk) -> None:
    rows = [await desk.use(tenant="acme", at_ms=1_700_000_000_123 + number, cost_nano=7) for number in range(3)]
    async with desk.client() as client:
        page = (await client.get("/admin/v1/requests", params={"tenant": "acme", "limit": 2})).json()
        assert [row["id"] for row in page["data"]] == [rows[2].id, rows[1].id]
        assert page["has_more"]
        assert page["data"][1]["at"] == "2023-11-14T22:13:20.124Z"
        assert page["data"][0]["cost_usd"] == 7e-9
        last = (await client.get("/admin/v1/requests", params={"tenant": "acme", "after": rows[1].id})).json()
        assert [row["id"] for row in last["data"]] == [rows[0].id]


async def test_the_ledger_is_rebuilt(desk: Desk) -> None:
    async with desk.client() as client:
        assert (await client.post("/admin/v1/ledger/rebuild")).json()["rebuilt"]
    assert desk.ledger.rebuilt == 1


BUDGET = {"subject": "tenant:default", "amount_usd": 1, "period": "day"}
BAD_BODIES: list[tuple[str, str, Any, str | None]] = [
    ("POST", "keys", {}, "tenant"),
    ("POST", "keys", [], None),
    ("POST", "keys", {"tenant": "a b"}, "tenant"),
    ("POST", "keys", {"tenant": "-a"}, "tenant"),
    ("POST", "keys", {"tenant": "a" * 65}, "tenant"),
    ("POST", "keys", {"tenant": "a\n"}, "tenant"),
    ("POST", "keys", {"tenant": "a", "customer": ""}, "customer"),
    ("POST", "keys", {"tenant": "a", "name": "x\u0000"}, "name"),
    ("POST", "keys", {"tenant": "a", "models": []}, "models"),
    ("POST", "keys", {"tenant": "a", "models": ["m", ""]}, "models[1]"),
    ("POST", "keys", {"tenant": "a", "metadata": {"k": "\u0000"}}, "metadata.k"),
    ("POST", "keys", {"tenant": "a", "metadata": {str(n): "" for n in range(17)}}, "metadata"),
    ("POST", "keys", {"tenant": "a", "expires_at": 1}, "expires_at"),
    ("POST", "keys", {"tenant": "a", "expires_at": 2**63}, "expires_at"),
    ("POST", "keys", {"tenant": "a", "limits": {}}, "limits"),
    ("POST", "keys", {"tenant": "a", "limits": {"requests_per_minute": 0}}, "limits.requests_per_minute"),
    ("POST", "keys", {"tenant": "a", "budgets": [{"amount_usd": 1, "period": "year"}]}, "budgets[0].period"),
    ("POST", "keys", {"tenant": "a", "admin": True}, "admin"),
    ("PATCH", "keys/key_1", {}, None),
    ("PATCH", "keys/key_1", {"tenant": "b"}, "tenant"),
    ("PATCH", "keys/key_1", {"name": None}, "name"),
    ("POST", "keys/key_1/rotate", {"grace_s": -1}, "grace_s"),
    ("PUT", "limits", {"subject": "tenant:default"}, None),
    ("PUT", "limits", {"subject": "tenant", "requests_per_minute": 1}, "subject"),
    ("PUT", "limits", {"subject": "tenant:default", "requests_per_minute": True}, "requests_per_minute"),
    ("PUT", "limits", {"subject": "tenant:default", "tokens_per_minute": 2**63}, "tokens_per_minute"),
    ("POST", "budgets", {**BUDGET, "amount_usd": -1}, "amount_usd"),
    ("POST", "budgets", {**BUDGET, "amount_usd": 9_000_001}, "amount_usd"),
    ("POST", "budgets", {**BUDGET, "amount_usd": 1e-10}, None),
    ("POST", "budgets", {**BUDGET, "amount_usd": "1"}, "amount_usd"),
    ("POST", "budgets", {**BUDGET, "period": "rolling"}, None),
    ("POST", "budgets", {**BUDGET, "window_s": 60}, None),
    ("POST", "budgets", {**BUDGET, "subject": "everything"}, "subject"),
]


@pytest.mark.parametrize(("method", "path", "body", "param"), BAD_BODIES)
async def test_a_wrong_body_is_a_400(sqlite_desk: Desk, method: str, path: str, body: Any, param: str | None) -> None:
    async with sqlite_desk.client() as client:
        assert error_of(await client.request(method, f"/admin/v1/{path}", json=body), 400)["param"] == param


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("keys?limit=0", "limit"),
        ("keys?limit=1001", "limit"),
        ("keys?limit=x", "limit"),
        ("keys?after=%00", "after"),
        ("keys?customer=eu", None),
        ("keys?tenant=a&tenant=b", "tenant"),
        ("keys?colour=red", "colour"),
        ("customers", "tenant"),
        ("limits?subject=acme", "subject"),
        ("limits?after=acme", "subject"),
        ("budgets?after=%00", "after"),
        ("spend?group_by=shoe", "group_by"),
        ("spend?group_by=day,day", "group_by"),
        ("spend?group_by=", "group_by"),
        ("spend?from=yesterday", "from"),
        ("spend?to=0001-01-01", "to"),
        ("spend?from=2026-02-01&to=2026-01-01", "from"),
        ("spend?from=2024-01-01&to=2026-01-01", "from"),
        ("spend?format=xml", "format"),
        ("spend?offset=-1", "offset"),
        ("spend?after=x", "after"),
        ("spend?format=csv&after=x", "after"),
        ("spend?model=%00", "model"),
        ("requests?outcome=fine", "outcome"),
        ("requests?after=none", "after"),
    ],
)
async def test_a_wrong_query_is_a_400(sqlite_desk: Desk, path: str, param: str | None) -> None:
    async with sqlite_desk.client() as client:
        assert error_of(await client.get(f"/admin/v1/{path}"), 400)["param"] == param


CURSORS = ["[]", "{}", "[" * 20_000, '{"day": 1}', '{"model": 1}', '{"model": "\\u0000"}', '{"model": "\\ud800"}', "{"]


@pytest.mark.parametrize("cursor", CURSORS, ids=range(len(CURSORS)))
async def test_a_cursor_that_is_no_group_is_a_400(desk: Desk, cursor: str) -> None:
    query = {"group_by": "model", "after": base64.urlsafe_b64encode(cursor.encode()).decode(), "format": "csv"}
    async with desk.client() as client:
        assert error_of(await client.get("/admin/v1/spend", params=query), 400)["param"] == "after"
        query = {**query, "after": cursor_of({"model": "m"}), "format": "json"}  # which is paged by number
        assert error_of(await client.get("/admin/v1/spend", params=query), 400)["param"] == "after"


@pytest.mark.parametrize("path", ["keys/none", "keys/%00", "keys/a%20b", "keys/%C3%BC"])
async def test_an_id_that_nothing_has_is_a_404(sqlite_desk: Desk, path: str) -> None:
    async with sqlite_desk.client() as client:
        error_of(await client.get(f"/admin/v1/{path}"), 404)
        error_of(await client.post(f"/admin/v1/{path}/revoke"), 404)
        error_of(await client.delete(f"/admin/v1/{path.replace('keys', 'budgets')}"), 404)


async def test_a_body_that_is_no_json_is_refused(sqlite_desk: Desk) -> None:
    async with sqlite_desk.client() as client:
        error_of(await client.post("/admin/v1/keys", content=b"{"), 400)
        error_of(await client.post("/admin/v1/keys", content=b"a=b", headers={"content-type": "text/plain"}), 415)
        error_of(await client.post("/admin/v1/keys", content=b" " * 1_000_001), 413)
