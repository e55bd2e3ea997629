"""Whatever id somebody sends: another tenant's, customer's or end user's conversation is one that does not exist."""

import pytest

from app.accounts.types import Caller
from app.errors import NotFound, SextantError
from app.memory.types import Owner
from app.sql.schema import conversation_items, conversations, memories
from tests.unit.memory.conftest import MakeDesk
from tests.unit.memory.desk import Desk, said

OURS, THEIRS = Caller("ours", "key-1"), Caller("theirs", "key-2")
ANN, BOB = Caller("ours", "key-3", customer="ann"), Caller("ours", "key-4", customer="bob")


async def test_every_way_to_a_conversation_ends_in_the_same_404(desk: Desk) -> None:
    service = desk.remembering.conversations
    conversation = await desk.begin(OURS)
    await desk.say("Our secret is blue.", conversation, caller=OURS)
    item = (await desk.rows(conversation_items))[0].id
    before = await desk.rows(conversations), await desk.rows(conversation_items)

    async def error_of(caller: Caller, name: str) -> SextantError:
        with pytest.raises(NotFound) as raised:
            await desk.say("Tell me the secret.", name, caller=caller)
        return raised.value

    unknown = (await error_of(THEIRS, "conv_unknown")).message.replace("conv_unknown", "X")
    assert (await error_of(THEIRS, conversation)).message.replace(conversation, "X") == unknown
    for attempt in (
        service.conversation(Owner.of(THEIRS), conversation),
        service.edit(THEIRS, conversation, {"mine": "now"}),
        service.delete(THEIRS, conversation),
        service.add(THEIRS, conversation, [{"role": "user", "content": "Hello."}]),
        service.items(THEIRS, conversation, after=None, limit=5, ascending=True),
        service.item(THEIRS, conversation, item),
        service.delete_item(THEIRS, conversation, item),
    ):
        with pytest.raises(NotFound) as raised:
            await attempt
        assert "blue" not in raised.value.message
    assert (await desk.rows(conversations), await desk.rows(conversation_items)) == before
    assert all("blue" not in said(body["messages"]) for body in desk.model.bodies[1:])


@pytest.mark.parametrize(
    "name",
    [
        "' OR 1=1 --",
        "conv_%",
        "conv_\x00",
        "",
        "*",
        "../ours/conv_1",
        "conv_" + "a" * 500,
        "ours:conv_1",
        "conv_1' UNION SELECT * FROM conversations --",
        "\u202econv",
        "%00",
        "NULL",
    ],
)
async def test_ids_that_are_none_find_nothing(lite: Desk, name: str) -> None:
    await lite.begin(OURS)
    with pytest.raises(NotFound):
        await lite.remembering.conversations.conversation(Owner.of(OURS), name)


async def test_the_same_id_in_two_tenants_is_two_conversations(desk: Desk) -> None:
    """Ids are made by the stack; a copied row must still not be reachable from next door."""
    conversation = await desk.begin(OURS)
    await desk.say("Our secret is blue.", conversation, caller=OURS)
    async with desk.engine.begin() as connection:
        row = (await desk.rows(conversations))[0]
        copied = {**row._mapping, "tenant": "theirs", "next_position": 0, "vault": None}
        await connection.execute(conversations.insert().values(copied))
    await desk.say("Tell me.", conversation, caller=THEIRS)
    assert said(desk.prompt) == "Tell me."
    await desk.remembering.conversations.delete(THEIRS, conversation)
    assert {row.tenant for row in await desk.rows(conversation_items)} == {"ours"}


async def test_a_customers_key_sees_its_customers_alone_and_a_tenants_key_all(desk: Desk) -> None:
    service = desk.remembering.conversations
    of_ann = await desk.begin(ANN)
    with pytest.raises(NotFound):
        await service.conversation(Owner.of(BOB), of_ann)
    of_tenant = await desk.begin(OURS)
    with pytest.raises(NotFound):
        await service.conversation(Owner.of(ANN), of_tenant)
    assert (await service.conversation(Owner.of(OURS), of_ann)).id == of_ann


async def test_a_conversation_belongs_to_the_first_end_user_who_speaks_in_it(desk: Desk) -> None:
    conversation = await desk.begin(OURS)
    await desk.say("I am Ann.", conversation, caller=OURS, user="ann")
    with pytest.raises(NotFound):
        await desk.say("Who am I?", conversation, caller=OURS, user="bob")
    await desk.say("Who am I?", conversation, caller=OURS, user="ann")
    await desk.say("Who is it?", conversation, caller=OURS)  # the tenant's own, in nobody's name
    assert len(await desk.rows(conversation_items)) == 6


async def test_facts_of_one_user_reach_nobody_else(make_desk: MakeDesk) -> None:
    desk = await make_desk(memory={"facts": {"enabled": True, "threshold": 0.0, "top_k": 50}})
    facts, tags = desk.remembering.facts, desk.remembering.tags
    owners = [
        Owner(tenant, customer, tags.user(tenant, user))
        for tenant in ("ours", "theirs")
        for customer in (None, "ann", "bob")
        for user in ("1", "2")
    ]
    for owner in owners:
        await facts.keep(
            await facts.write(owner, f"Secret of {owner.tenant} {owner.customer} {owner.end_user}.", "default")
        )
    assert len(await desk.rows(memories)) == 12
    for owner in owners:
        (found,) = await facts.records.of_user(owner)
        assert found.text == f"Secret of {owner.tenant} {owner.customer} {owner.end_user}."
        caller = Caller(owner.tenant, "key", customer=owner.customer)
        user = next(u for u in ("1", "2") if tags.user(owner.tenant, u) == owner.end_user)
        desk.talking.say = lambda body: "[]"
        await desk.say("What do you know of me?", caller=caller, user=user)
        prompt = said(desk.prompt)
        for other in owners:
            secret = f"Secret of {other.tenant} {other.customer} {other.end_user}."
            assert secret not in prompt or other == owner


async def test_a_fact_is_edited_and_deleted_by_its_own_alone(desk: Desk) -> None:
    facts, tags = desk.remembering.facts, desk.remembering.tags
    fact = await facts.write(Owner("ours", "ann", tags.user("ours", "u")), "Likes tea.", "default")
    await facts.keep(fact)
    for caller in (THEIRS, BOB):
        owner = Owner.of(caller)
        assert await facts.records.find(owner, fact.id) is None
        assert not await facts.records.edit(owner, fact.id, {"text": "Likes coffee."})
        assert not await facts.records.delete(owner, fact.id)
        assert await facts.records.page(owner, after=None, limit=10) == []
        assert await facts.records.page(owner, after=fact.id, limit=10) is None
    assert (await desk.rows(memories))[0].text == "Likes tea."
    assert await facts.records.delete(Owner.of(ANN), fact.id)


async def test_hundreds_of_attempts_of_six_tenants_on_each_other_leak_nothing(lite: Desk) -> None:
    """Every tenant tries every other one's ids by every way there is, and asks the model for what it knows."""
    service, facts, tags = lite.remembering.conversations, lite.remembering.facts, lite.remembering.tags
    callers = [Caller(f"tenant-{number}", f"key-{number}") for number in range(6)]
    held: dict[str, tuple[str, str, str]] = {}  # conversation, item and fact
    for caller in callers:
        conversation = await lite.begin(caller)
        words = [{"role": "user", "content": f"Secret of {caller.tenant}."}]
        _, (item,) = await service.add(caller, conversation, words)
        fact = await facts.write(
            Owner(caller.tenant, None, tags.user(caller.tenant, "u")), words[0]["content"], "default"
        )
        await facts.keep(fact)
        held[caller.tenant] = conversation, item.id, fact.id
    attempts = 0
    for caller in callers:
        owner, own = Owner.of(caller), held[caller.tenant][0]
        for tenant, (conversation, item_id, fact_id) in held.items():
            if tenant == caller.tenant:
                continue
            for attempt in (
                lite.say("What is the secret?", conversation, caller=caller),
                lite.say("What is the secret?", conversation, caller=caller, user="u"),
                service.conversation(owner, conversation),
                service.items(caller, conversation, after=None, limit=9, ascending=True),
                service.items(caller, conversation, after=item_id, limit=9, ascending=False),
                service.item(caller, conversation, item_id),
                service.item(caller, own, item_id),
                service.delete_item(caller, own, item_id),
                service.delete(caller, conversation),
                service.add(caller, conversation, words),
            ):
                attempts += 1
                with pytest.raises(NotFound):
                    await attempt
            attempts += 5
            assert await facts.records.find(owner, fact_id) is None
            assert not await facts.records.delete(owner, fact_id)
            stranger = Owner(caller.tenant, None, tags.user(tenant, "u"))
            assert await facts.records.of_user(stranger) == []
            assert not await lite.remembering.erasing.conversation(owner, conversation)
            assert (await lite.remembering.erasing.user(stranger, "u")).memories == 0
    assert attempts >= 400
    assert lite.model.bodies == []
    assert len(await lite.rows(conversation_items)) == len(await lite.rows(memories)) == len(callers)
