"""Memory in the real stack: sixty turns in 2,048 tokens, facts about a user, and what is left when they are erased."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
import pytest
import yaml

from app.config.files import PROJECT
from tests.e2e.conftest import Stack, start_stack, stop_stack
from tests.e2e.memory_double import ASKED, CONTEXT, create_double, tokens_of
from tests.unit.server import listening

FACT = "My locker code is 4711-ZULU, please keep it in mind."
TOPICS = "rivers mountains gardens engines letters windows markets bridges planets oranges".split()
MODEL = "smollm2-135m"
WAIT_S = 60.0


@dataclass
class Remembering:
    """The stack, and everything that the hosted model was asked."""

    stack: Stack
    seen: list[dict[str, Any]] = field(default_factory=list)

    @property
    def client(self) -> openai.OpenAI:
        return self.stack.client()


@pytest.fixture(scope="module")
def remembering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remembering]:
    seen: list[dict[str, Any]] = []
    with listening(create_double(seen)) as url:
        home = tmp_path_factory.mktemp("memory")
        documents = home / "documents"
        documents.mkdir()
        (documents / "note.md").write_text("# Note\n\nNothing is written here.\n")
        config = home / "memory.yaml"
        config.write_text(json.dumps(configuration(url)))  # JSON is YAML
        running = start_stack(home, "--config", str(config), "--docs", str(documents))
        yield Remembering(running, seen)
        stop_stack(running)


def configuration(url: str) -> dict[str, Any]:
    """The laptop's, with two hosted models beside the first."""
    stack = yaml.safe_load((PROJECT / "deployments" / "laptop.yaml").read_text())
    (application,) = stack["applications"]
    hosted = {"provider": "double", "context_window": CONTEXT, "max_output_tokens": 256}
    application["args"] |= {
        "providers": {"double": {"base_url": f"{url}/v1"}},
        "hosted": [{"id": "careful", **hosted}, {"id": "forgetful", **hosted}],
        "memory": {"facts": {"enabled": True, "model": "careful"}, "sweep_s": 1},
    }
    return dict(stack)


def question(number: int) -> str:
    topic = TOPICS[number % len(TOPICS)]
    return f"Let us talk about {topic} for a moment: what makes {topic} worth a visit, and what should I bring along?"


def say(client: openai.OpenAI, model: str, text: str, conversation: str, **options: Any) -> Any:
    return client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": text}],
        temperature=0,
        extra_body={"conversation": conversation, **options.pop("extra_body", {})},
        **options,
    )


def wait_until(holds: Callable[[], bool]) -> None:
    """The background has its own pace."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.2)


@pytest.mark.parametrize(
    "model",
    [
        "careful",  # its summaries keep numbers
        "forgetful",  # its summaries keep nothing: the turn is found by its meaning
    ],
)
def test_sixty_turns_in_2048_tokens_still_answer_a_fact_of_the_third(remembering: Remembering, model: str) -> None:
    client, conversation = remembering.client, remembering.client.conversations.create().id
    remembering.seen.clear()
    for number in range(1, 61):
        text = FACT if number == 3 else question(number)
        if number % 7:
            assert say(client, model, text, conversation).choices[0].message.content == "All right."
        else:
            chunks = list(say(client, model, text, conversation, stream=True))
            assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "All right."
    answer = say(client, model, ASKED, conversation).choices[0].message.content

    assert answer == "It is 4711-ZULU."
    mine = [body for body in remembering.seen if body["model"] == model]
    assert max(map(tokens_of, mine)) + 256 <= CONTEXT
    assert any(body["messages"][0]["content"].startswith("Summarise") for body in mine)
    last = mine[-1] if ASKED in mine[-1]["messages"][-1]["content"] else mine[-2]
    turns = [m["content"] for m in last["messages"] if m["role"] == "user"]
    assert FACT not in turns, "the third turn is still there: this proves nothing"
    assert len(turns) > 4


def test_sixty_turns_with_the_real_model_never_exceed_its_context(remembering: Remembering) -> None:
    client = remembering.client
    conversation = client.conversations.create().id
    prompts = []
    for number in range(1, 61):
        answer = say(client, "chat", FACT if number == 3 else question(number), conversation, max_tokens=16)
        assert answer.choices[0].message.content
        prompts.append(answer.usage.prompt_tokens)
    assert max(prompts) + 16 <= CONTEXT
    assert max(prompts) > CONTEXT // 3, "history is left out that would fit"
    assert say(client, "chat", ASKED, conversation, max_tokens=16).choices[0].message.content
    items = list(client.conversations.items.list(conversation, order="asc", limit=100))
    assert len(items) == 122


def test_responses_and_chat_go_on_with_the_same_conversation(remembering: Remembering) -> None:
    client = remembering.client
    items: Any = [{"type": "message", "role": "user", "content": FACT}]
    conversation = client.conversations.create(items=items, metadata={"topic": "lockers"})
    response = client.responses.create(model="careful", input=ASKED, conversation=conversation.id)
    assert response.output_text == "It is 4711-ZULU."
    assert say(client, "careful", ASKED, conversation.id).choices[0].message.content == "It is 4711-ZULU."
    (newest, *_) = client.conversations.items.list(conversation.id).data
    assert newest.id
    assert client.conversations.items.retrieve(newest.id, conversation_id=conversation.id) == newest
    assert client.conversations.delete(conversation.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.conversations.retrieve(conversation.id)


def test_names_are_given_back_over_turns_and_kept_masked(remembering: Remembering) -> None:
    client = remembering.client
    conversation = client.conversations.create().id
    say(client, "careful", "My e-mail address is maria.gonzalez@example.com.", conversation)
    say(client, "careful", "Write to maria.gonzalez@example.com, please.", conversation)
    told = [m["content"] for m in remembering.seen[-1]["messages"] if m["role"] == "user"]
    assert told[-2:] == ["My e-mail address is <EMAIL_ADDRESS_1>.", "Write to <EMAIL_ADDRESS_1>, please."]
    listed = [item.content[0].text for item in client.conversations.items.list(conversation, order="asc")]  # type: ignore[union-attr, index]  # messages
    assert listed[0] == "My e-mail address is maria.gonzalez@example.com."
    database = (remembering.stack.home / "sextant.db").read_bytes()
    database += (remembering.stack.home / "sextant.db-wal").read_bytes()
    assert b"maria.gonzalez" not in database


def test_a_users_facts_are_used_and_a_user_is_forgotten_everywhere(remembering: Remembering) -> None:
    client, http = remembering.client, remembering.stack.http()
    user = "ann@example.com"
    conversation = client.conversations.create().id
    say(client, "careful", "Hello.", conversation, user=user)
    made = http.post("/v1/memories", params={"user": user}, json={"text": "The user is allergic to peanuts."}).json()
    say(client, "careful", "Which food am I allergic to?", client.conversations.create().id, user=user)
    # (What the user said is also shown to the model that learns from it.)
    asked = next(b for b in remembering.seen if b["messages"][-1]["content"] == "Which food am I allergic to?")
    assert "The user is allergic to peanuts." in asked["messages"][0]["content"]

    tagged = f"tag.`sextant.conversation` = '{conversation}'"
    wait_until(lambda: len(traces(remembering.stack, tagged)) > 0)
    gone = http.delete(f"/v1/users/{user}").json()
    assert gone["conversations"] == 2
    assert gone["memories"] >= 1
    with pytest.raises(openai.NotFoundError):
        client.conversations.retrieve(conversation)
    assert http.patch(f"/v1/memories/{made['id']}", json={"text": "x"}).status_code == 404
    assert http.get("/v1/memories", params={"user": user}).json()["data"] == []
    wait_until(lambda: not traces(remembering.stack, tagged))


def traces(stack: Stack, where: str) -> list[Any]:
    """MLflow's traces that match a filter."""
    with httpx.Client(base_url=stack.facts["mlflow_url"], timeout=30) as client:
        found = client.get("/api/2.0/mlflow/experiments/get-by-name", params={"experiment_name": "sextant"})
        if found.status_code != httpx.codes.OK:
            return []
        location = {"experiment_id": found.json()["experiment"]["experiment_id"]}
        body = {"locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": location}], "filter": where}
        answer = client.post("/api/3.0/mlflow/traces/search", json=body)
        answer.raise_for_status()
        return list(answer.json().get("traces") or ())
