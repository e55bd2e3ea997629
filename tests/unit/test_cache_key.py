"""The cache key: everything that an answer depends on is in it, and nothing else."""

import random
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cache.key import Provenance, cache_key
from app.pipeline.draft import Draft
from app.wire.chat import ChatRequest
from app.wire.completions import CompletionRequest

HASH_KEY = b"a secret"
PROVENANCE = Provenance(
    tenant="acme",
    model="m",
    model_revision="r1",
    guard_policy="g1",
    masked=False,
    prompts=("assistant@1",),
    knowledge_base="kb1",
    retrieval=(4, 0.25),
)
BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0}
OTHER: dict[str, Any] = {
    "tenant": "rival",
    "model": "n",
    "model_revision": "r2",
    "guard_policy": "g2",
    "masked": True,
    "prompts": ("assistant@2",),
    "knowledge_base": "kb2",
    "retrieval": (5, 0.25),
    "groups": ("board",),
    "evidence": "other passages",
}


def key(body: dict[str, Any], provenance: Provenance = PROVENANCE, hash_key: bytes = HASH_KEY) -> str:
    """As the pipeline makes it."""
    return cache_key(Draft.of(ChatRequest.model_validate(body)).body, provenance, hash_key)


@pytest.mark.parametrize("name", [field.name for field in fields(Provenance)])
def test_each_part_of_the_provenance_changes_it(name: str) -> None:
    assert key(BODY, replace(PROVENANCE, **{name: OTHER[name]})) != key(BODY)


def test_no_knowledge_base_is_not_an_empty_one() -> None:
    assert key(BODY, replace(PROVENANCE, knowledge_base=None)) != key(BODY, replace(PROVENANCE, knowledge_base=""))


def test_the_stacks_secret_changes_it() -> None:
    assert key(BODY, hash_key=b"another secret") != key(BODY)
    assert len({key(BODY, hash_key=b"x" * 200), key(BODY, hash_key=b"x" * 201)}) == 2


def test_it_is_a_hash_that_holds_no_text() -> None:
    assert len(key(BODY)) == 64
    assert set(key(BODY)) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "change",
    [
        {"messages": [{"role": "user", "content": "Hi "}]},
        {"messages": [{"role": "system", "content": "Hi"}]},
        {"messages": [{"role": "user", "content": "Hi"}] * 2},
        {"temperature": 0.5},
        {"top_p": 0.5},
        {"top_k": 5},
        {"min_p": 0.1},
        {"seed": 1},
        {"stop": "x"},
        {"max_tokens": 5},
        {"max_completion_tokens": 5},
        {"n": 2},
        {"frequency_penalty": 0.1},
        {"presence_penalty": 0.1},
        {"repetition_penalty": 1.1},
        {"logit_bias": {"5": 1}},
        {"min_tokens": 1},
        {"ignore_eos": True},
        {"skip_special_tokens": False},
        {"logprobs": True},
        {"response_format": {"type": "json_object"}},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"tool_choice": "none"},
        {"parallel_tool_calls": False},
    ],
)
def test_each_field_that_can_change_the_answer_changes_it(change: dict[str, Any]) -> None:
    assert key({**BODY, **change}) != key(BODY)


@pytest.mark.parametrize(
    "change",
    [
        {"stream": True},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"user": "somebody"},
        {"metadata": {"a": "b"}},
        {"store": False},
        {"service_tier": "auto"},
        {"sextant": {"cache": {"read": False}}},
        {"model": "an-alias"},  # what it leads to is in the provenance
        {"temperature": 0.0},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
        {"messages": [{"role": "user", "content": "Hi", "name": "joe"}]},  # no engine gets it
    ],
)
def test_what_cannot_change_the_answer_does_not_change_it(change: dict[str, Any]) -> None:
    assert key({**BODY, **change}) == key(BODY)


def test_a_chat_and_a_text_completion_never_meet() -> None:
    completion = Draft.of(CompletionRequest(model="m", prompt="Hi", temperature=0))

    assert cache_key(completion.body, PROVENANCE, HASH_KEY) != key(BODY)


messages = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user"]), "content": st.text(max_size=8)}),
    min_size=1,
    max_size=3,
)
schemas = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
bodies = st.fixed_dictionaries(
    {"model": st.just("m"), "messages": messages},
    optional={
        "temperature": st.sampled_from([0, 0.5, 1]),
        "seed": st.integers(0, 3),
        "stop": st.text(min_size=1, max_size=2) | st.lists(st.text(min_size=1, max_size=2), max_size=2),
        "logit_bias": st.dictionaries(st.sampled_from(["1", "2"]), st.sampled_from([1.0, 2.0]), max_size=2),
        "tools": st.builds(
            lambda schema: [{"type": "function", "function": {"name": "f", "parameters": schema}}],
            st.dictionaries(st.text(max_size=3), schemas, max_size=3),
        ),
    },
)


def shuffled(value: Any, chance: random.Random) -> Any:
    """The same JSON with another order of keys."""
    if isinstance(value, dict):
        items = [(name, shuffled(inner, chance)) for name, inner in value.items()]
        chance.shuffle(items)
        return dict(items)
    return [shuffled(inner, chance) for inner in value] if isinstance(value, list) else value


@given(bodies, st.randoms(use_true_random=False))
def test_equal_requests_have_equal_keys_whatever_the_order_of_their_fields(
    body: dict[str, Any], chance: random.Random
) -> None:
    assert key(shuffled(body, chance)) == key(body)


@given(bodies, bodies)
def test_requests_that_differ_have_keys_that_differ(one: dict[str, Any], other: dict[str, Any]) -> None:
    drafts = [Draft.of(ChatRequest.model_validate(body)).body for body in (one, other)]

    if drafts[0] != drafts[1]:
        assert key(one) != key(other)


@given(bodies, st.text(max_size=5), st.text(max_size=5))
def test_tenants_never_share_a_key(body: dict[str, Any], one: str, other: str) -> None:
    keys = {key(body, replace(PROVENANCE, tenant=tenant)) for tenant in (one, other)}

    assert len(keys) == len({one, other})


@given(st.lists(st.text(max_size=4), max_size=3), st.lists(st.text(max_size=4), max_size=3))
def test_prompt_names_cannot_be_shifted_into_each_other(one: list[str], other: list[str]) -> None:
    keys = {key(BODY, replace(PROVENANCE, prompts=tuple(prompts))) for prompts in (one, other)}

    assert len(keys) == len({tuple(one), tuple(other)})
