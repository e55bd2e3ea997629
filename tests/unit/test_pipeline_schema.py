"""Answers that must be JSON: what is mended, what is asked for again and paid, and what is withheld."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.errors import BudgetExceeded, InvalidRequest
from app.pipeline.ports import Task
from tests.unit.bench import Bench, text_of
from tests.unit.conftest import MakeBench
from tests.unit.fake_model import FakeModel

SCHEMA = {"type": "object", "properties": {"port": {"type": "integer"}}, "required": ["port"]}
WANTED = {"type": "json_schema", "json_schema": {"name": "port", "schema": SCHEMA}}
GOOD, BAD = '{"port": 8000}', '{"port": "eight thousand"}'


@dataclass
class Answering(FakeModel):
    """Gives its answers one after the other."""

    answers: Sequence[str] = ()
    given: list[str] = field(default_factory=list)
    after: Callable[[], None] = lambda: None  # an answer

    async def complete(self, task: Task, body: dict[str, Any], request_id: str) -> dict[str, Any]:
        self.pieces = [self.answers[len(self.given)]]
        self.given.append(self.pieces[0])
        answer = await super().complete(task, body, request_id)
        self.after()
        return answer


def bench_with(make_bench: MakeBench, *answers: str, **settings: Any) -> Bench:
    bench = make_bench(guard={"policy": {"output": [{"rail": "json_schema", **settings}]}})
    bench.model = Answering(answers=answers)
    return bench


async def test_a_right_answer_passes_as_it_is(make_bench: MakeBench) -> None:
    bench = bench_with(make_bench, GOOD)

    assert text_of(await bench.answer("Which port?", response_format=WANTED)) == GOOD
    assert len(bench.model.bodies) == 1


async def test_a_fence_is_taken_away_without_asking_again(make_bench: MakeBench) -> None:
    bench = bench_with(make_bench, f"Here you are:\n```json\n{GOOD}\n```")

    assert text_of(await bench.answer("Which port?", response_format=WANTED)) == GOOD
    assert len(bench.model.bodies) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_wrong_answer_is_asked_for_once_more_and_both_are_paid(make_bench: MakeBench, stream: bool) -> None:
    bench = bench_with(make_bench, BAD, GOOD)
    options: dict[str, Any] = {"stream_options": {"include_usage": True}} if stream else {}
    answer = await (bench.chunks if stream else bench.answer)("Which port?", response_format=WANTED, **options)

    assert text_of(answer) == GOOD
    first, second = bench.model.bodies
    assert "stream" not in first
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "user"]
    assert second["messages"][1]["content"] == BAD
    assert "port" in second["messages"][2]["content"]
    usage = (answer[-1] if isinstance(answer, list) else answer)["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (22, 6)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 8
    row = bench.ledger.rows[-1]
    assert (row.prompt_tokens, row.completion_tokens) == (22, 6)
    stage = next(stage for stage in bench.recorder.only.stages if stage.name == "guard.schema")
    assert stage.attributes["sextant.guard.schema"] == "repaired"


@pytest.mark.parametrize("stream", [False, True])
async def test_one_that_stays_wrong_is_withheld_and_not_kept(make_bench: MakeBench, stream: bool) -> None:
    bench = bench_with(make_bench, BAD, BAD)
    answer = await (bench.chunks if stream else bench.answer)("Which port?", response_format=WANTED)

    parts = answer if isinstance(answer, list) else [answer]
    assert text_of(answer) == ""
    assert [c["finish_reason"] for part in parts for c in part["choices"] if c["finish_reason"]] == ["content_filter"]
    assert bench.store.values == {}
    told = [part["sextant"]["guard"] for part in parts if "guard" in part.get("sextant", {})]
    assert told[-1][0]["rule"] == "json_schema.invalid"


async def test_without_repair_it_is_told_at_once(make_bench: MakeBench) -> None:
    bench = bench_with(make_bench, BAD, repair=False, mode="flag")
    answer = await bench.answer("Which port?", response_format=WANTED)

    assert text_of(answer) == BAD
    assert answer["sextant"]["guard"][0]["rule"] == "json_schema.invalid"
    assert len(bench.model.bodies) == 1


async def test_where_the_budget_has_no_room_the_first_answer_is_what_there_is(make_bench: MakeBench) -> None:
    bench = bench_with(make_bench, BAD, mode="flag")
    assert isinstance(bench.model, Answering)
    bench.model.after = lambda: bench.ledger.refusals.update(m=BudgetExceeded("spent"))
    answer = await bench.answer("Which port?", response_format=WANTED)

    assert text_of(answer) == BAD
    assert bench.ledger.rows[-1].prompt_tokens == 11


async def test_a_request_for_text_is_not_held(make_bench: MakeBench) -> None:
    bench = bench_with(make_bench)
    bench.model = FakeModel()
    chunks = await bench.chunks("Which port?")

    assert [text_of([chunk]) for chunk in chunks if text_of([chunk])] == ["Hello", " world", "."]


async def test_a_schema_that_is_none_is_refused_before_anything_is_asked(make_bench: MakeBench) -> None:
    bench = bench_with(make_bench, GOOD)
    bad = {"type": "json_schema", "json_schema": {"name": "port", "schema": {"type": "nonsense"}}}
    with pytest.raises(InvalidRequest, match="schema"):
        await bench.answer("Which port?", response_format=bad)

    assert bench.model.bodies == []


CALL = {"index": 0, "id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
OTHERS = [{"content": None, "tool_calls": [CALL]}, {"content": None, "refusal": "I will not."}]


@dataclass
class Other(FakeModel):
    """Calls a tool, or refuses, and ends with "stop", as after a call that was demanded by name."""

    said: dict[str, Any] = field(default_factory=dict)

    async def complete(self, task: Task, body: dict[str, Any], request_id: str) -> dict[str, Any]:
        answer = await super().complete(task, body, request_id)
        answer["choices"][0]["message"] = {"role": "assistant", **copy.deepcopy(self.said)}
        return answer

    def _chunks(self, task: Task, body: dict[str, Any]) -> Any:
        head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        yield {**head, "choices": [{"index": 0, "delta": copy.deepcopy(self.said), "finish_reason": None}]}
        yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


@pytest.mark.parametrize("said", OTHERS, ids=["a call", "a refusal"])
@pytest.mark.parametrize("mode", ["block", "flag"])
@pytest.mark.parametrize("stream", [False, True])
async def test_calls_and_refusals_are_no_broken_json(
    make_bench: MakeBench, stream: bool, mode: str, said: dict[str, Any]
) -> None:
    bench = bench_with(make_bench, mode=mode)
    bench.model = Other(said=said)
    answer = await (bench.chunks if stream else bench.answer)("Which port?", response_format=WANTED)

    parts = answer if isinstance(answer, list) else [answer]
    choices = [choice for part in parts for choice in part["choices"]]
    messages = [choice.get("message") or choice["delta"] for choice in choices]
    for name in said.keys() - {"content"}:
        assert [message[name] for message in messages if message.get(name)] == [said[name]]
    assert choices[-1]["finish_reason"] == "stop"
    assert not [part for part in parts if "guard" in part.get("sextant", {})]
    assert len(bench.model.bodies) == 1
