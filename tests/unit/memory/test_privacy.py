"""What is kept is what the guard left; the vault is encrypted, goes with its conversation, and nobody else reads it."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from app.accounts.types import Caller
from app.errors import NotFound, Unavailable
from app.guard.masking import Masking
from app.guard.types import Hit
from app.memory.items import new_item
from app.memory.merge import united
from app.memory.vault import VaultCipher
from app.sql.schema import conversation_items, conversations
from tests.unit.memory.conftest import MakeDesk
from tests.unit.memory.desk import Desk, said

CALLER = Caller("default", "key-1")


def echo(body: dict[str, Any]) -> str:
    """Says back every name that it was told."""
    return "Names: " + said(body["messages"])


@pytest.fixture
async def masking_desk(desk: Desk) -> Desk:
    assert desk.guard is not None
    desk.guard.names = ["Ann Smith", "Bob Jones", "Carol King"]
    return desk


async def test_names_are_kept_nowhere_in_the_clear(masking_desk: Desk) -> None:
    desk = masking_desk
    desk.talking.say = echo
    conversation = await desk.begin()
    answer = await desk.say("I am Ann Smith.", conversation)

    assert "Ann Smith" in answer
    rows = [*await desk.rows(conversations), *await desk.rows(conversation_items)]
    assert "<PERSON_1>" in str(rows)
    assert "Ann" not in str(rows)
    assert b"Ann" not in b"".join(row.vault or b"" for row in await desk.rows(conversations))


@pytest.mark.parametrize("stream", [False, True])
async def test_placeholders_stay_the_same_over_turns_and_replicas(masking_desk: Desk, stream: bool) -> None:
    desk = masking_desk
    desk.talking.say = echo
    conversation = await desk.begin()
    await desk.say("I am Ann Smith.", conversation, stream=stream)
    desk.renew()
    answer = await desk.say("My friend is Bob Jones, and I am still Ann Smith. Who am I?", conversation, stream=stream)

    assert desk.prompt[-1]["content"] == "My friend is <PERSON_2>, and I am still <PERSON_1>. Who am I?"
    assert desk.prompt[0]["content"] == "I am <PERSON_1>."
    assert "Ann Smith" in answer
    assert "Bob Jones" in answer
    assert "PERSON" not in answer


async def test_a_name_of_an_earlier_turn_is_given_back_in_a_later_answer(masking_desk: Desk) -> None:
    desk = masking_desk
    conversation = await desk.begin()
    await desk.say("I am Ann Smith.", conversation)
    desk.talking.say = lambda body: "You are PERSON_1."  # it lost its brackets
    assert await desk.say("Who am I?", conversation) == "You are Ann Smith."


async def test_two_turns_at_once_never_share_a_placeholder(masking_desk: Desk) -> None:
    desk = masking_desk
    conversation = await desk.begin()
    assert desk.guard is not None
    guard, gate, come = desk.guard, asyncio.Event(), list[str]()
    original = guard.examine

    async def together(policy: str, jobs: Any) -> Any:
        """All have read the conversation before any of them is masked."""
        come.append(policy)
        if len(come) == 3:
            gate.set()
        await gate.wait()
        return await original(policy, jobs)

    guard.examine = together  # type: ignore[method-assign]  # it waits
    desk.talking.say = lambda body: f"Hello {body['messages'][-1]['content'].removeprefix('I am ')}"
    answers = await asyncio.gather(
        *(desk.say(f"I am {name}.", conversation) for name in ("Ann Smith", "Bob Jones", "Carol King"))
    )
    assert [body["messages"][-1]["content"] for body in desk.model.bodies] == ["I am <PERSON_1>."] * 3

    assert sorted(answers) == ["Hello Ann Smith.", "Hello Bob Jones.", "Hello Carol King."]
    service = desk.remembering.conversations
    found, items = await service.items(CALLER, conversation, after=None, limit=10, ascending=True)
    assert sorted(service.vault(found).values()) == ["Ann Smith", "Bob Jones", "Carol King"]
    shown = [str(content["content"]) for _, content in service.shown(items, service.vault(found))]
    for asked, answered in zip(shown[::2], shown[1::2], strict=True):
        assert asked.removeprefix("I am ") == answered.removeprefix("Hello ")
    assert len({str(item.content) for item in items}) == 6


async def test_a_stricter_policy_reads_what_an_earlier_one_let_pass(masking_desk: Desk) -> None:
    desk = masking_desk
    assert desk.guard is not None
    names, desk.guard.names = desk.guard.names, ()
    conversation = await desk.begin()
    await desk.say("I am Ann Smith.", conversation)
    desk.guard.names = names
    desk.identity = replace(desk.identity, guard_policies={"default": "default-2"})
    desk.renew()
    await desk.say("Who am I?", conversation)
    assert desk.prompt[0]["content"] == "I am <PERSON_1>."


async def test_items_that_are_added_by_route_are_masked_too(masking_desk: Desk) -> None:
    desk = masking_desk
    conversation = await desk.begin()
    asked = [{"role": "user", "content": "I am Ann Smith."}, {"role": "assistant", "content": "Hi Ann Smith."}]
    await desk.remembering.conversations.add(CALLER, conversation, asked)
    await desk.say("And Bob Jones?", conversation)
    assert [m["content"] for m in desk.prompt] == ["I am <PERSON_1>.", "Hi <PERSON_1>.", "And <PERSON_2>?"]


async def test_traces_name_the_conversation_and_a_hash_of_the_user(desk: Desk) -> None:
    conversation = await desk.begin()
    await desk.say("Hello.", conversation, user="ann@example.com")
    attributes = desk.recorder.only.attributes
    assert attributes["sextant.conversation"] == conversation
    assert attributes["sextant.user"] == desk.remembering.tags.user("default", "ann@example.com")
    assert "ann@" not in str(attributes)
    assert "ann@" not in str([*await desk.rows(conversations), *await desk.rows(conversation_items)])


def test_a_vault_opens_for_its_own_row_alone() -> None:
    cipher = VaultCipher(b"hash key")
    sealed = cipher.seal("tenant", "conv_1", {"<PERSON_1>": "Ann"})
    assert sealed is not None
    assert b"Ann" not in sealed
    assert cipher.open("tenant", "conv_1", sealed) == {"<PERSON_1>": "Ann"}
    for tenant, owner, key, told in (
        ("other", "conv_1", b"hash key", sealed),
        ("tenant", "conv_2", b"hash key", sealed),
        ("tenant", "conv_1", b"another key", sealed),
        ("tenant", "conv_1", b"hash key", sealed[:-1]),
        ("tenant", "conv_1", b"hash key", b""),
        ("tenantconv_", "1", b"hash key", sealed),
    ):
        with pytest.raises(Unavailable):
            VaultCipher(key).open(tenant, owner, told)
    assert cipher.seal("tenant", "conv_1", {}) is None
    assert cipher.open("tenant", "conv_1", None) == {}
    assert cipher.seal("tenant", "conv_1", {"<PERSON_1>": "Ann"}) != sealed, "a nonce was used twice"


def test_masking_goes_on_where_a_conversation_left_off() -> None:
    masking = Masking(["Bob met Ann."], {"<PERSON_1>": "Ann", "<PERSON_7>": "Eve"})
    text, _ = masking.mask("Bob met Ann.", [Hit("PERSON", 1.0, 0, 3), Hit("PERSON", 1.0, 8, 11)])
    assert text == "<PERSON_8> met <PERSON_1>."
    assert masking.vault == {"<PERSON_8>": "Bob", "<PERSON_1>": "Ann"}


@pytest.mark.parametrize(
    ("stored", "seen", "mine", "text", "now"),
    [
        ({}, {}, {"<PERSON_1>": "Ann"}, "<PERSON_1>", "<PERSON_1>"),
        ({"<PERSON_1>": "Bob"}, {}, {"<PERSON_1>": "Ann"}, "<PERSON_1>", "<PERSON_2>"),
        ({"<PERSON_1>": "Bob", "<PERSON_2>": "Ann"}, {}, {"<PERSON_1>": "Ann"}, "<PERSON_1>", "<PERSON_2>"),
        # Names that are exchanged, and one that is another's beginning.
        (
            {"<PERSON_1>": "Bob", "<PERSON_2>": "Ann"},
            {},
            {"<PERSON_1>": "Ann", "<PERSON_2>": "Bob"},
            "<PERSON_1> PERSON_2 <PERSON_12>",
            "<PERSON_2> PERSON_1 <PERSON_12>",
        ),
        ({"<PERSON_1>": "Bob"}, {"<PERSON_1>": "Bob"}, {"<PERSON_1>": "Bob"}, "<PERSON_1>", "<PERSON_1>"),
        ({"<EMAIL_1>": "x"}, {}, {"<PERSON_1>": "Ann"}, "<PERSON_1> <EMAIL_1>", "<PERSON_1> <EMAIL_1>"),
    ],
)
def test_vaults_are_united_without_giving_one_name_to_two_values(
    stored: dict[str, str], seen: dict[str, str], mine: dict[str, str], text: str, now: str
) -> None:
    renaming = united(stored, seen, mine)
    (item,) = renaming.of([new_item("user", {"type": "message", "content": text})])
    assert item.content["content"] == now
    assert {**stored}.items() <= renaming.vault.items()
    assert set(mine.values()) <= set(renaming.vault.values())
    assert len(set(renaming.vault.values())) == len(renaming.vault)


async def test_a_conversation_that_expired_is_not_there_even_before_it_is_swept(make_desk: MakeDesk) -> None:
    desk = await make_desk(memory={"retention_days": 1e-9})
    conversation = await desk.begin()
    with pytest.raises(NotFound):
        await desk.say("Hello.", conversation)
