"""Who is to be forgotten is: rows at once, traces by their tags, and nothing that was under way brings it back."""

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from app.accounts.types import Caller
from app.clock import now_ms
from app.errors import Unavailable
from app.memory import erasure
from app.memory.conversations import Appending, Merged
from app.memory.items import items_of
from app.memory.locks import alone
from app.memory.tags import CONVERSATION, CUSTOMER_USER, TENANT, USER
from app.memory.traces import TraceEraser
from app.memory.types import Owner
from app.sql.schema import conversation_items, conversations, erasures, memories
from tests.unit.fakes import vector_of
from tests.unit.memory.conftest import MakeDesk
from tests.unit.memory.desk import AWAY, Desk, is_aside
from tests.unit.server import listening

OURS, THEIRS = Caller("ours", "key-1"), Caller("theirs", "key-2")
VAGUE, SECRET = "The user lives in Oslo.", "The user lives in Oslo, at 5 Secret Street."


@pytest.fixture
async def desk(make_desk: MakeDesk) -> Desk:
    desk = await make_desk(memory={"facts": {"enabled": True}})
    desk.talking.say = lambda body: json.dumps(["The user lives in Oslo."]) if is_aside(body) else "All right."
    return desk


async def fill(desk: Desk) -> dict[tuple[str, str | None, str], str]:
    """A conversation and a fact for each of some users; conversation ids by (tenant, customer, user)."""
    found = {}
    for tenant, customer, user in (
        ("ours", None, "ann"),
        ("ours", "shop", "ann"),
        ("ours", None, "bob"),
        ("theirs", None, "ann"),
    ):
        caller = Caller(tenant, "key", customer=customer)
        conversation = found[tenant, customer, user] = await desk.begin(caller)
        await desk.say("I live in Oslo.", conversation, caller=caller, user=user)
    return found


async def left(desk: Desk) -> tuple[set[str], int, set[tuple[str, str | None]]]:
    items = {row.conversation for row in await desk.rows(conversation_items)}
    assert items == {row.id for row in await desk.rows(conversations)}
    facts = await desk.rows(memories)
    return items, len(facts), {(row.tenant, row.customer) for row in facts}


async def test_deleting_a_conversation_takes_its_items_and_what_was_learned_in_it(desk: Desk) -> None:
    found = await fill(desk)
    await desk.remembering.conversations.delete(OURS, found["ours", None, "ann"])
    ids, facts, _ = await left(desk)
    assert ids == set(found.values()) - {found["ours", None, "ann"]}
    assert facts == 3
    await desk.remembering.sweeper.sweep()
    assert desk.traces.deleted == [(CONVERSATION, found["ours", None, "ann"])]


async def test_a_tenants_user_is_forgotten_with_all_customers_and_nobody_elses(desk: Desk) -> None:
    found = await fill(desk)
    tag = desk.remembering.tags.user("ours", "ann")
    erased = await desk.remembering.erasing.user(Owner("ours", None, tag), "ann")
    assert (erased.conversations, erased.memories) == (2, 2)
    assert await left(desk) == (
        {found["ours", None, "bob"], found["theirs", None, "ann"]},
        2,
        {("ours", None), ("theirs", None)},
    )
    await desk.remembering.sweeper.sweep()
    assert set(desk.traces.deleted) == {
        (USER, tag),
        (CONVERSATION, found["ours", None, "ann"]),
        (CONVERSATION, found["ours", "shop", "ann"]),
    }


async def test_a_customers_key_forgets_its_own_user_of_that_name(desk: Desk) -> None:
    found = await fill(desk)
    tags = desk.remembering.tags
    tag = tags.user("ours", "ann")
    await desk.remembering.erasing.user(Owner("ours", "shop", tag), "ann")
    assert (await left(desk))[0] == set(found.values()) - {found["ours", "shop", "ann"]}
    await desk.remembering.sweeper.sweep()
    assert (CUSTOMER_USER, tags.customer_user("ours", "shop", tag)) in desk.traces.deleted
    assert all(name != USER for name, _ in desk.traces.deleted)


async def test_a_customer_that_stands_for_its_user_is_forgotten_by_its_name(desk: Desk) -> None:
    caller = Caller("ours", "key", customer="shop")
    conversation = await desk.begin(caller)
    await desk.say("I live in Oslo.", conversation, caller=caller)
    await desk.remembering.erasing.user(Owner("ours", None, desk.remembering.tags.user("ours", "shop")), "shop")
    assert await left(desk) == (set(), 0, set())


async def test_a_tenant_is_forgotten_whole(desk: Desk) -> None:
    found = await fill(desk)
    await desk.remembering.erasing.tenant("ours")
    assert (await left(desk))[0] == {found["theirs", None, "ann"]}
    await desk.remembering.sweeper.sweep()
    assert (TENANT, "ours") in desk.traces.deleted


def erase(desk: Desk, owner: Owner, user: str) -> Awaitable[erasure.Erased]:
    """All that the owner knows of a user."""
    return desk.remembering.erasing.user(replace(owner, end_user=desk.remembering.tags.user(owner.tenant, user)), user)


@pytest.mark.parametrize("customer", [None, "shop"])
async def test_the_first_turn_of_a_user_who_is_erased_meanwhile_is_not_kept(desk: Desk, customer: str | None) -> None:
    caller = Caller("ours", "key", customer=customer)
    conversation = await desk.begin(caller)  # nobody's yet
    desk.ledger.settling = asyncio.Event()
    answering = asyncio.Event()
    desk.talking.say = lambda body: answering.set() or "All right."  # type: ignore[func-returns-value]  # it notes
    turn = asyncio.ensure_future(desk.say("I live in Oslo.", conversation, caller=OURS, user="ann"))
    await answering.wait()
    await erase(desk, Owner("ours", customer), "ann")
    desk.ledger.settling.set()

    assert await turn == "All right."
    assert await desk.rows(conversation_items) == []
    (row,) = await desk.rows(conversations)
    assert (row.end_user, row.next_position) == (None, 0)
    # What is said from now on is kept.
    await desk.say("I live in Oslo.", conversation, caller=OURS, user="ann")
    assert len(await desk.rows(conversation_items)) == 2


@pytest.mark.parametrize(
    ("tenant", "customer", "user"), [("ours", None, "bob"), ("ours", "shop", "ann"), ("theirs", None, "ann")]
)
async def test_a_turn_is_kept_when_somebody_else_is_erased_meanwhile(
    desk: Desk, tenant: str, customer: str | None, user: str
) -> None:
    conversation = await desk.begin(OURS)
    tag = desk.remembering.tags.user("ours", "ann")
    owner, turn = Owner("ours", None, tag), Appending(0, "p", lambda vault: Merged([], vault), tag)
    await erase(desk, Owner(tenant, customer), user)
    assert await desk.remembering.conversations.records.append(owner, conversation, turn) == 0


async def test_a_turn_waits_for_the_erasure_of_its_user(desk: Desk) -> None:
    conversation = await desk.begin(OURS)
    service, tag = desk.remembering.conversations, desk.remembering.tags.user("ours", "ann")
    owner = Owner("ours", None, tag)
    items = items_of([{"role": "user", "content": "I live in Oslo."}])
    turn = service.appending(owner, conversation, {}, items, {}, "p")
    async with alone(desk.engine, "ours") as connection:
        await erasure._note(connection, "ours", [(USER, tag)])
        appending = asyncio.ensure_future(service.records.append(owner, conversation, turn))
        await asyncio.sleep(0.2)
        assert not appending.done()
    assert await appending is None
    assert await desk.rows(conversation_items) == []


def slow_learning(desk: Desk) -> tuple[asyncio.Event, asyncio.Event]:
    """Events: the model is being asked for facts; it may answer."""
    asking, answers = asyncio.Event(), asyncio.Event()
    original = desk.remembering.facts._ask

    async def slow(*arguments: Any) -> str:
        asking.set()
        await answers.wait()
        return await original(*arguments)

    desk.remembering.facts._ask = slow  # type: ignore[assignment]  # it waits
    return asking, answers


async def test_facts_that_were_being_learned_do_not_come_back(desk: Desk) -> None:
    asking, erased = slow_learning(desk)
    turn = asyncio.ensure_future(desk.say("I live in Oslo.", caller=OURS, user="ann"))
    await asking.wait()
    await desk.remembering.erasing.user(Owner("ours", None, desk.remembering.tags.user("ours", "ann")), "ann")
    erased.set()
    await turn
    assert await desk.rows(memories) == []
    # What is said from now on may be learned.
    await desk.say("I live in Oslo.", caller=OURS, user="ann")
    assert len(await desk.rows(memories)) == 1


def alike(desk: Desk, *facts: str) -> None:
    """The model notes one fact a turn, in order, and they all mean the same."""
    noted = iter(facts)
    desk.talking.say = lambda body: json.dumps([next(noted)]) if is_aside(body) else "All right."

    async def embed(texts: Any) -> Any:
        return [vector_of("the same") for _ in texts]

    desk.embed.embed = embed  # type: ignore[method-assign]  # of one meaning


async def test_a_fact_goes_with_the_conversation_that_worded_it(desk: Desk) -> None:
    alike(desk, VAGUE, SECRET, VAGUE, SECRET)
    for erased_first in (False, True):
        first, second = await desk.begin(OURS), await desk.begin(OURS)
        await desk.say("I live in Oslo.", first, caller=OURS, user="ann")
        await desk.say("At 5 Secret Street.", second, caller=OURS, user="ann")
        assert [(row.text, row.conversation) for row in await desk.rows(memories)] == [(SECRET, second)]
        if erased_first:
            await desk.remembering.conversations.delete(OURS, first)
            assert [row.text for row in await desk.rows(memories)] == [SECRET]
        await desk.remembering.conversations.delete(OURS, second)
        assert await desk.rows(memories) == []


async def test_a_wording_that_was_being_learned_does_not_come_back(desk: Desk) -> None:
    alike(desk, VAGUE, SECRET, SECRET)
    first, second = await desk.begin(OURS), await desk.begin(OURS)
    await desk.say("I live in Oslo.", first, caller=OURS, user="ann")
    asking, erased = slow_learning(desk)
    turn = asyncio.ensure_future(desk.say("At 5 Secret Street.", second, caller=OURS, user="ann"))
    await asking.wait()
    await desk.remembering.conversations.delete(OURS, second)
    erased.set()
    await turn
    assert [(row.text, row.conversation) for row in await desk.rows(memories)] == [(VAGUE, first)]
    # Nor is what has gone with its conversation put there again by a wording that comes too late.
    asking.clear()
    erased.clear()
    third = await desk.begin(OURS)
    turn = asyncio.ensure_future(desk.say("At 5 Secret Street.", third, caller=OURS, user="ann"))
    await asking.wait()
    await desk.remembering.erasing.user(Owner("ours", None, desk.remembering.tags.user("ours", "ann")), "ann")
    erased.set()
    await turn
    assert await desk.rows(memories) == []


async def test_traces_are_looked_for_again_when_nothing_can_be_under_way(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.remembering.erasing.tenant("ours")
    await desk.remembering.sweeper.sweep()
    await desk.remembering.sweeper.sweep()
    assert len(desk.traces.deleted) == 1
    ((row),) = await desk.rows(erasures)
    assert row.due_ms == row.created_ms + erasure.FINAL_MS
    later = now_ms() + erasure.FINAL_MS + 1
    monkeypatch.setattr(erasure, "now_ms", lambda: later)
    await desk.remembering.sweeper.sweep()
    assert len(desk.traces.deleted) == 2
    assert await desk.rows(erasures) == []


async def test_traces_that_cannot_be_deleted_are_counted_and_tried_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.remembering.erasing.tenant("ours")
    desk.traces.error = AWAY
    for failures in (1, 2, 3):
        await desk.remembering.sweeper.sweep()
        (row,) = await desk.rows(erasures)
        assert row.failures == desk.remembering.sweeper.failures.count == failures
        monkeypatch.setattr(erasure, "now_ms", lambda due=row.due_ms: due)
    desk.traces.error = None
    await desk.remembering.sweeper.sweep()
    assert desk.traces.deleted == [(TENANT, "ours")]


async def test_what_has_expired_is_swept(make_desk: MakeDesk) -> None:
    desk = await make_desk(memory={"facts": {"enabled": True}})
    desk.talking.say = lambda body: '["The user lives in Oslo."]' if is_aside(body) else "All right."
    old, new = await desk.begin(), await desk.begin()
    for conversation in (old, new):
        await desk.say("I live in Oslo.", conversation, user=conversation)
    past = now_ms() - 31 * 86_400_000
    async with desk.engine.begin() as connection:
        await connection.execute(conversations.update().where(conversations.c.id == old).values(expires_ms=past))
        await connection.execute(memories.update().where(memories.c.conversation == old).values(updated_ms=past))
    await desk.remembering.sweeper.sweep()
    assert [row.id for row in await desk.rows(conversations)] == [new]
    assert {row.conversation for row in await desk.rows(conversation_items)} == {new}
    assert [row.conversation for row in await desk.rows(memories)] == [new]


async def test_one_replica_sweeps_and_a_failure_ends_nothing(lite: Desk) -> None:
    rounds: list[int] = []
    swept = asyncio.Event()

    async def sweep() -> None:
        rounds.append(1)
        swept.set()
        raise RuntimeError("a bug")

    sweeper = lite.remembering.sweeper
    sweeper.sweep = sweep  # type: ignore[method-assign]  # it fails
    following = asyncio.ensure_future(sweeper.follow())
    for _ in range(2):
        await swept.wait()
        swept.clear()
        sweeper.wake()
    lite.lease.holder = b"another"
    for _ in range(20):
        sweeper.wake()
        await asyncio.sleep(0)
    seen = len(rounds)
    for _ in range(20):
        sweeper.wake()
        await asyncio.sleep(0)
    assert len(rounds) == seen
    following.cancel()


def mlflow(traces: dict[str, dict[str, str]], asked: list[Any]) -> FastAPI:
    """MLflow's three routes, over traces with tags."""
    api = FastAPI()

    @api.get("/api/2.0/mlflow/experiments/get-by-name")
    async def experiment(experiment_name: str) -> Any:
        return {"experiment": {"experiment_id": "7"}}

    @api.post("/api/3.0/mlflow/traces/search")
    async def search(request: Request) -> Any:
        body = await request.json()
        asked.append(body)
        name, value = body["filter"].removeprefix("tag.`").split("` = ")
        found = [trace for trace, tags in traces.items() if tags.get(name) == value.strip("'")]
        return {"traces": [{"trace_id": trace} for trace in found[: min(2, body["max_results"])]]}

    @api.post("/api/2.0/mlflow/traces/delete-traces")
    async def delete(request: Request) -> Any:
        body = await request.json()
        assert body["experiment_id"] == "7"
        return {"traces_deleted": sum(traces.pop(trace, None) is not None for trace in body["request_ids"])}

    return api


async def test_traces_are_deleted_by_tag_over_mlflows_rest_api() -> None:
    traces = {f"tr-{n}": {"sextant.user": "a" if n < 5 else "b"} for n in range(7)}
    asked: list[Any] = []
    with listening(mlflow(traces, asked)) as url:
        eraser = TraceEraser(url, "sextant")
        assert await eraser.delete("sextant.user", "a") == 5
        assert await eraser.delete("sextant.user", "a") == 0
    assert sorted(traces) == ["tr-5", "tr-6"]
    assert asked[0]["locations"][0]["mlflow_experiment"] == {"experiment_id": "7"}
    with pytest.raises(Unavailable):
        await eraser.delete("sextant.user", "b")  # nobody answers any more
    with pytest.raises(ValueError, match="no value"):
        await eraser.delete("sextant.user", "x' OR 'a' = 'a")


async def test_an_error_of_mlflow_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(500 if "search" in request.url.path else 200, json={"experiment": {"experiment_id": "1"}})

    real = httpx.AsyncClient
    monkeypatch.setattr(httpx, "AsyncClient", lambda **options: real(**options, transport=httpx.MockTransport(answer)))
    with pytest.raises(Unavailable):
        await TraceEraser("http://mlflow", "sextant").delete("sextant.user", "a")
