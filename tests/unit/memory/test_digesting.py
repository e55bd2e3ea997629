"""What is digested, and when: however long one turn is, and however much has not been digested yet."""

from typing import Any

import pytest

from app.accounts.types import Caller
from app.memory import digest
from app.memory.digest import Aged, request, share
from app.memory.fit import too_old
from app.memory.items import turns_of
from app.memory.tokens import estimate_body
from app.memory.types import Item
from app.sql.schema import conversation_items, conversations
from tests.unit.memory.conftest import MakeDesk
from tests.unit.memory.desk import Desk, said

CALLER = Caller("default", "key-1")


def told(number: int) -> str:
    return f"Turn {number} is about {'the garden behind the old house near the river, ' * 3}and ends with {number}."


def models(**windows: int) -> list[dict[str, Any]]:
    return [
        {"id": name, "source": f"org/{name}", "engine": {"max_model_len": window}} for name, window in windows.items()
    ]


async def with_turns(desk: Desk, count: int) -> str:
    """A conversation with turns in it that nothing has been made of yet."""
    conversation = await desk.begin()
    for number in range(count):
        asked = [{"role": "user", "content": told(number)}, {"role": "assistant", "content": "All right."}]
        await desk.remembering.conversations.add(CALLER, conversation, asked)
    return conversation


async def age(desk: Desk, conversation: str, room: int) -> None:
    target = desk.stages.router.route("m").base
    await desk.remembering.digest.after(Aged(CALLER, conversation, "m", target, "default", room))


def fits(desk: Desk, window: int) -> bool:
    return all(estimate_body(body) + body["max_tokens"] <= window for body in desk.asides)


async def test_a_turn_that_fills_the_context_does_not_have_every_turn_summarised_by_itself(make_lite: MakeDesk) -> None:
    desk = await make_lite(models=models(m=8192))
    conversation = await with_turns(desk, 40)
    await desk.say("word " * 6900, conversation)

    assert [m["role"] for m in desk.prompt] == ["user"]
    assert len(desk.asides) == 2  # the turns before it, and itself: it is more than is kept
    first = said(desk.asides[0]["messages"])
    assert all(told(number) in first for number in range(40)), "what fits was cut"
    assert fits(desk, 8192)


async def test_the_room_by_which_turns_are_too_old_is_that_of_a_short_turn(lite: Desk) -> None:
    desk, rooms = lite, list[int]()

    async def after(aged: Aged) -> None:
        rooms.append(aged.room)

    desk.remembering.digest.after = after  # type: ignore[method-assign]  # it only notes
    conversation = await desk.begin()
    instructed = [{"role": "system", "content": "Be brief. " * 100}, {"role": "user", "content": "word " * 800}]
    for messages in (instructed[1:], [{"role": "user", "content": "Hello."}], instructed):
        await desk.say("", conversation, messages=messages)
    assert rooms[0] == rooms[1]
    assert 0 < rooms[2] < rooms[1] - 200


@pytest.mark.parametrize(("room", "calls"), [(100_000, 0), (10_000, 1), (100, 1), (0, 0)])
async def test_a_summary_is_asked_for_as_its_model_can_read(make_lite: MakeDesk, room: int, calls: int) -> None:
    """However little of its context has been left for history."""
    desk = await make_lite(models=models(m=32_768))
    conversation = await with_turns(desk, 100)
    await age(desk, conversation, room)
    assert len(desk.asides) == calls
    asked = said([message for body in desk.asides for message in body["messages"]])
    assert not calls or all(told(number) in asked for number in range(50))


async def test_another_model_that_summarises_is_asked_for_no_more_than_it_can_read(make_lite: MakeDesk) -> None:
    desk = await make_lite(models=models(m=32_768, small=1024), memory={"summary": {"model": "small"}})
    conversation = await with_turns(desk, 100)
    await age(desk, conversation, 6000)
    assert {body["model"] for body in desk.asides} == {"small"}
    assert len(desk.asides) > 1
    assert fits(desk, 1024)
    assert told(0) in said(desk.asides[0]["messages"])


def kept(position: int, text: str) -> Item:
    role = "assistant" if position % 2 else "user"
    return Item(f"msg_{position}", position, role, {"type": "message", "content": text}, len(text) // 4, "m", "p", 0)


def test_a_record_that_is_too_long_loses_the_middle_of_its_longest_messages() -> None:
    texts = ["short", "x" * 4000, "also short", "y" * 200]
    turns = turns_of([kept(position, text) for position, text in enumerate(texts)])
    whole, less = request("", turns, 256, 2000), request("", turns, 256, 300)
    assert all(text in said(whole) for text in texts)
    assert [text in said(less) for text in texts] == [True, False, True, True]
    assert 800 < len(less[1]["content"]) < 1100
    many = turns_of([kept(position, "z" * 100) for position in range(1000)])
    assert len(request("", many, 256, 300)[1]["content"]) < 1100


def test_the_longest_are_cut_to_one_length() -> None:
    assert share([10, 20, 30], 60) == 30
    assert share([10, 20, 30], 50) == 20
    assert share([10, 20, 30], 15) == 5
    assert share([], 15) == 0


def test_what_is_behind_the_turns_that_were_read_is_newer_than_they() -> None:
    turns = turns_of([kept(position, "x" * 40) for position in range(10)])  # of 20 tokens each
    assert too_old(turns, 200, 0.6, 0.3, "m", behind=20) == []
    assert too_old(turns, 200, 0.6, 0.3, "m", behind=40) == turns[:4]
    assert too_old(turns, 200, 0.6, 0.3, "m", behind=400) == turns
    assert too_old(turns, 0, 0.6, 0.3, "m") == []


async def test_more_than_is_read_at_once_is_digested_as_well(
    make_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest, "BATCH_ITEMS", 21)  # a turn is not read whole
    desk = await make_desk(models=models(m=8192))
    conversation = await with_turns(desk, 60)
    items = sorted(await desk.rows(conversation_items), key=lambda row: row.position)
    room = sum(row.tokens for row in items)
    assert sum(row.tokens for row in items[:21]) < room * 0.6, "a batch is too much by itself: this proves nothing"
    summaries, uptos = desk.remembering.digest._summaries, list[int]()
    original = summaries.put

    async def put(before: Any, summary: str, upto: int, policy: str, items: int) -> bool:
        uptos.append(upto)
        return await original(before, summary, upto, policy, items)

    summaries.put = put  # type: ignore[method-assign]  # it notes
    await age(desk, conversation, room)

    assert uptos
    assert uptos == sorted(set(uptos))
    assert all(upto % 2 == 0 for upto in uptos), "a turn was divided"
    (row,) = await desk.rows(conversations)
    assert row.summary
    left = [item for item in await desk.rows(conversation_items) if item.position >= row.summary_upto]
    assert room * 0.2 < sum(item.tokens for item in left) <= room * 0.6
    vectors = [item.position for item in await desk.rows(conversation_items) if item.vector is not None]
    assert sorted(vectors) == list(range(0, row.summary_upto, 2))


async def test_what_is_read_at_once_is_not_digested_while_all_has_room(
    make_lite: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest, "BATCH_ITEMS", 20)
    desk = await make_lite(models=models(m=8192))
    conversation = await with_turns(desk, 60)
    await age(desk, conversation, 2 * sum(row.tokens for row in await desk.rows(conversation_items)))
    assert desk.asides == []
