"""What the engine can reuse: the beginning of all prompts of an alias is the same, to the byte."""

from typing import Any

import orjson
import pytest

from app.config.files import PROJECT, load_stack
from tests.unit.bench import PROMPTS, Bench
from tests.unit.conftest import MakeBench
from tests.unit.fakes import FakeGuard, passage

SYSTEM = PROMPTS["assistant"]


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    made = make_bench(
        aliases={
            "chat": {"model": "m", "prompt": "assistant"},
            "docs": {"model": "m", "prompt": "assistant", "retrieval": True},
        }
    )
    made.search.passages["default"] = [passage("The port is 8000.")]
    return made


def written(bench: Bench) -> list[bytes]:
    """The conversations that reached the model, as its template gets them."""
    return [orjson.dumps(body["messages"]) for body in bench.model.bodies]


def beginning(texts: list[bytes]) -> bytes:
    """What both have in common."""
    first, second = texts
    return first[: next(i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)]


@pytest.mark.parametrize("alias", ["chat", "docs"])
async def test_two_requests_of_an_alias_begin_with_its_whole_prompt(bench: Bench, alias: str) -> None:
    await bench.answer("Which port?", model=alias)
    await bench.answer("Why is that so?", model=alias)
    shared = beginning(written(bench))
    assert shared.startswith(orjson.dumps([{"role": "system", "content": SYSTEM}])[:-1])


async def test_passages_stand_after_everything_that_two_questions_have_in_common(bench: Bench) -> None:
    earlier = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hello!"}]
    for question in ("Which port?", "Is that so?"):
        await bench.answer(model="docs", messages=[*earlier, {"role": "user", "content": question}])
    shared = beginning(written(bench))
    assert orjson.dumps(earlier)[1:-1] in shared
    assert shared.endswith(b"QUESTION ")  # the same passages are found: they are shared too


async def test_with_and_without_retrieval_the_prompt_begins_the_same(bench: Bench) -> None:
    await bench.answer("Which port?", model="docs")
    await bench.answer("Which port?", model="chat")
    assert SYSTEM.encode() in beginning(written(bench))


async def test_the_alias_prompt_stands_before_the_clients_own(bench: Bench) -> None:
    for own in ("Be kind.", "Answer in rhymes."):
        messages = [{"role": "system", "content": own}, {"role": "user", "content": "Which port?"}]
        await bench.answer(model="chat", messages=messages)
    assert beginning(written(bench)).endswith(SYSTEM.encode() + rb"\n\n")


async def test_a_conversation_that_goes_on_begins_with_all_that_was_said(bench: Bench) -> None:
    bench.guard = FakeGuard(names=["Alice"])
    turns: list[dict[str, Any]] = [{"role": "user", "content": "I am Alice."}]
    await bench.answer(model="chat", messages=turns)
    turns += [{"role": "assistant", "content": "Hello, Alice."}, {"role": "user", "content": "Which port?"}]
    await bench.answer(model="chat", messages=turns)
    first, second = written(bench)
    assert second.startswith(first[:-1])


async def test_nothing_that_changes_from_request_to_request_is_in_a_prompt(bench: Bench) -> None:
    for tenant in ("default", "other"):
        bench.search.passages[tenant] = bench.search.passages["default"]
        await bench.answer("Which port?", model="docs", tenant=tenant)
    first, second = written(bench)
    assert first == second


@pytest.mark.parametrize("name", ["laptop", "gpu"])
def test_the_engines_prefix_cache_is_on(name: str) -> None:
    models = load_stack(PROJECT / "deployments" / f"{name}.yaml").models
    assert [model.engine.get("enable_prefix_caching") for model in models] == [True] * len(models)
