"""The semantic tier on the way through: what is served, what is learned, what is never compared."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.cache.use import CacheUse
from app.errors import Unavailable
from app.pipeline.pipeline import Pipeline
from app.pipeline.ports import ModelPort
from tests.unit.bench import OPEN_GUARD, Bench, stack_config, text_of
from tests.unit.conftest import MakeBench
from tests.unit.fake_model import FakeModel
from tests.unit.fakes import FakeSemantic, passage
from tests.unit.test_pipeline_guard import MODEL, policy

ASKED, MEANT = "What is the port?", "Which port is it?"


class Semantic:
    """A bench with a semantic tier, whose background is waited for."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.tier = bench.semantic = FakeSemantic()
        self.pipeline: Pipeline = bench.pipeline

    async def ask(self, content: str, **fields: Any) -> Any:
        """The answer; `flight` has its facts."""
        self.flight = self.bench.flight()
        use = fields.pop("use", CacheUse())
        fields = {"messages": [{"role": "user", "content": content}], **fields}
        reply = await self.bench.send(fields, self.flight, use, pipeline=self.pipeline)
        answer = reply.body if reply.chunks is None else [chunk async for chunk in reply.chunks]
        await self.pipeline.caching.background.done()
        return answer

    @property
    def states(self) -> list[str]:
        return [event.cache for event in self.bench.recorder.events]


@pytest.fixture
def semantic(make_bench: MakeBench) -> Semantic:
    return Semantic(make_bench(cache={"semantic": {"enabled": True}}))


@pytest.mark.parametrize("streams", [False, True])
async def test_a_question_that_means_the_same_gets_the_answer(semantic: Semantic, streams: bool) -> None:
    await semantic.ask(ASKED)
    semantic.tier.propose(MEANT)
    answer = await semantic.ask(MEANT, stream=streams)

    assert text_of(answer) == "Hello world."
    assert semantic.states == ["miss", "semantic"]
    assert len(semantic.bench.model.bodies) == 1
    headers = semantic.flight.headers()
    assert (headers["x-sextant-cache"], headers["x-sextant-cache-similarity"]) == ("semantic", "0.9700")
    assert semantic.bench.ledger.rows[-1].cost_nano == 0


async def test_an_answer_that_is_kept_is_remembered_once(semantic: Semantic) -> None:
    await semantic.ask(ASKED)
    await semantic.ask(ASKED)

    assert [place.question for place in semantic.tier.remembered] == [ASKED]
    assert semantic.states == ["miss", "exact"]


async def test_a_hit_is_not_remembered_as_an_answer_of_its_own(semantic: Semantic) -> None:
    await semantic.ask(ASKED)
    semantic.tier.propose(MEANT)
    await semantic.ask(MEANT)
    await semantic.ask(MEANT)

    assert [place.question for place in semantic.tier.remembered] == [ASKED]
    assert semantic.states == ["miss", "semantic", "semantic"]  # what was learned meanwhile may speak against it


@pytest.mark.parametrize(("says", "remembered"), [(True, 1), (False, 2), (None, 2)])
async def test_exploring_answers_anew_and_compares(semantic: Semantic, says: bool | None, remembered: int) -> None:
    await semantic.ask(ASKED)
    semantic.tier.propose(MEANT, "explore")
    semantic.tier.says = says
    semantic.bench.model = FakeModel(pieces=("Good", "bye."))
    semantic.pipeline = semantic.bench.pipeline
    answer = await semantic.ask(MEANT)

    assert text_of(answer) == "Goodbye."
    assert semantic.states == ["miss", "miss"]
    assert semantic.tier.compared == [("Hello world.", "Goodbye.")]
    # Where both say the same, the older question stands for the new one.
    assert len(semantic.tier.remembered) == remembered


async def test_an_audited_hit_is_served_at_once_and_compared_later(semantic: Semantic) -> None:
    await semantic.ask(ASKED)
    semantic.tier.propose(MEANT, is_audited=True)
    answer = await semantic.ask(MEANT)

    assert text_of(answer) == "Hello world."
    assert semantic.states == ["miss", "semantic"]
    assert semantic.tier.compared == [("Hello world.", "Hello world.")]
    assert len(semantic.bench.model.bodies) == 2
    assert "stream" not in semantic.bench.model.bodies[-1]
    assert [row.cost_nano for row in semantic.bench.ledger.rows][1:] == [0]  # nobody is billed for an audit


async def test_an_audits_answer_is_marked_and_screened_as_the_one_that_was_kept(make_bench: MakeBench) -> None:
    guard = policy(output=[{"rail": "pii", "mode": "mask"}])
    bench = make_bench(cache={"semantic": {"enabled": True}}, guard=guard)
    assert bench.guard
    bench.guard.names = ["Anna"]
    port = "The gateway listens on port 8000 by default"
    bench.search.passages["default"] = [passage(f"{port}; http_options.port changes it.")]
    bench.model = FakeModel(pieces=(f"{port}.", " Anna says so."))
    semantic = Semantic(bench)
    await semantic.ask(ASKED, model="docs")
    semantic.tier.propose(MEANT, is_audited=True)
    await semantic.ask(MEANT, model="docs")

    assert semantic.states == ["miss", "semantic"]
    ((old, new),) = semantic.tier.compared
    assert old == new
    assert "[1]" in new
    assert "Anna" not in new
    assert not semantic.flight.flags
    assert not semantic.flight.guard_failures


async def test_an_audits_answer_that_no_rail_has_seen_is_not_compared(make_bench: MakeBench) -> None:
    guard = policy(output=[{**MODEL, "on_failure": "open"}])
    semantic = Semantic(make_bench(cache={"semantic": {"enabled": True}}, guard=guard))
    await semantic.ask(ASKED)
    semantic.tier.propose(MEANT, is_audited=True)
    semantic.bench.context_rail.error = ValueError("down")
    await semantic.ask(MEANT)

    assert semantic.states == ["miss", "semantic"]
    assert semantic.tier.compared == []
    assert not semantic.flight.guard_failures


async def test_an_audit_is_not_answered_by_another_model(tmp_path: Path) -> None:
    class TwoModels(Bench):
        other = FakeModel(pieces=("Something", " else"))

        @property
        def models(self) -> dict[str, ModelPort]:
            return {"m": self.model, "n": self.other}

    models = [{"id": "m", "source": "org/m"}, {"id": "n", "source": "org/n"}]
    alias = {"model": "m", "fallbacks": {"any": ["n"]}}
    cache = {"semantic": {"enabled": True}}
    bench = TwoModels(stack_config(tmp_path, models=models, aliases={"chat": alias, "docs": alias}, cache=cache))
    semantic = Semantic(bench)
    await semantic.ask(ASKED, model="chat")
    semantic.tier.propose(MEANT, is_audited=True)
    bench.model.fails_at, bench.model.error = 0, Unavailable("down")
    await semantic.ask(MEANT, model="chat")

    assert semantic.states == ["miss", "semantic"]
    assert semantic.tier.compared == []
    assert bench.other.bodies == []


async def test_an_entry_whose_answer_is_gone_is_a_miss_and_forgotten(semantic: Semantic) -> None:
    await semantic.ask(ASKED)
    semantic.tier.propose(MEANT)
    semantic.bench.store.values.clear()
    semantic.bench.forget()
    semantic.pipeline = semantic.bench.pipeline
    await semantic.ask(MEANT)

    assert semantic.states == ["miss", "miss"]
    assert semantic.tier.forgotten == ["entry-1"]


async def test_a_semantic_tier_that_is_down_is_a_miss(semantic: Semantic) -> None:
    semantic.tier.error = Unavailable("away")

    assert text_of(await semantic.ask(ASKED)) == "Hello world."
    assert semantic.states == ["miss"]
    assert semantic.tier.remembered == []  # and is not given more to do


@pytest.mark.parametrize(
    ("use", "asked", "remembered"),
    [
        (CacheUse(semantic=False), 0, 0),
        (CacheUse(read=False, write=False), 0, 0),
        (CacheUse(write=False), 1, 0),
    ],
)
async def test_what_the_client_does_not_allow_is_not_done(
    semantic: Semantic, use: CacheUse, asked: int, remembered: int
) -> None:
    await semantic.ask(ASKED, use=use)

    assert (len(semantic.tier.asked), len(semantic.tier.remembered)) == (asked, remembered)


async def test_a_new_answer_that_is_asked_for_is_not_the_old_one(semantic: Semantic) -> None:
    await semantic.ask(ASKED)
    semantic.tier.propose(MEANT)
    await semantic.ask(MEANT, use=CacheUse(read=False))

    assert semantic.states[1] == "bypass"
    assert len(semantic.bench.model.bodies) == 2
    assert [place.question for place in semantic.tier.remembered] == [ASKED, MEANT]


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}],
        [
            {"role": "user", "content": "Hi."},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "a", "content": "8000"},
        ],
        [{"role": "user", "content": "x" * 2001}],
    ],
)
async def test_what_is_no_question_is_not_compared(semantic: Semantic, messages: list[dict[str, Any]]) -> None:
    await semantic.ask("", messages=messages)

    assert semantic.tier.asked == []
    assert semantic.tier.remembered == []


async def test_the_scope_is_everything_but_the_last_turn(semantic: Semantic) -> None:
    system = {"role": "system", "content": "Be brief."}
    earlier = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]

    def asking(content: str, *before: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return {"messages": [*before, {"role": "user", "content": content}], **fields}

    requests = [
        asking(ASKED),
        asking(MEANT),
        asking(ASKED, system),
        asking(ASKED, *earlier),
        asking(ASKED, max_tokens=5),
        asking(ASKED, model="chat"),
        asking(ASKED, user="someone", metadata={"a": "b"}),
    ]
    for request in requests:
        await semantic.ask("", **request)

    first, meant, *others, same = [place.scope for place in [*semantic.tier.asked, semantic.tier.asked[0]]]
    assert meant == first
    assert same == first
    assert len({first, *others}) == 1 + len(others)
    assert semantic.states[-1] == "exact"  # who asks does not matter within a tenant


async def test_tenants_have_scopes_of_their_own(semantic: Semantic) -> None:
    for tenant in ("one", "two"):
        await semantic.bench.ask(ASKED, tenant=tenant)

    one, two = semantic.tier.asked
    assert (one.tenant, two.tenant) == ("one", "two")
    assert one.scope != two.scope
    assert one.key != two.key


async def test_masked_questions_are_compared_with_masked_ones(semantic: Semantic) -> None:
    guard = semantic.bench.guard
    assert guard
    guard.names = ["Anna", "Ben"]
    for question in ("Who is Anna?", "Who is nobody?", "Does Anna know Ben?"):
        await semantic.ask(question)

    assert [place.question for place in semantic.tier.remembered] == ["Who is <PERSON_1>?", "Who is nobody?"]
    masked, plain = semantic.tier.remembered
    assert masked.scope != plain.scope


@pytest.mark.parametrize("shares", [False, True])
async def test_answers_are_compared_as_the_guard_masked_them(make_bench: MakeBench, shares: bool) -> None:
    semantic = Semantic(make_bench(cache={"single_flight": shares, "semantic": {"enabled": True}}))
    assert semantic.bench.guard
    semantic.bench.guard.names = ["Anna"]
    semantic.bench.model = FakeModel(pieces=("It is ", "<PERSON_1>."))
    semantic.pipeline = semantic.bench.pipeline
    await semantic.ask("Who is Anna?")
    semantic.tier.propose("Whom do they call <PERSON_1>?", "explore")
    answer = await semantic.ask("Whom do they call Anna?")

    assert text_of(answer) == "It is Anna."
    assert semantic.tier.compared == [("It is <PERSON_1>.", "It is <PERSON_1>.")]


async def test_answers_from_documents_are_compared_where_the_same_passages_were_found(semantic: Semantic) -> None:
    semantic.bench.search.passages["default"] = [passage("The port is 8000."), passage("Bye.", ordinal=1)]
    await semantic.ask(ASKED, model="docs")
    semantic.bench.search.passages["default"].reverse()
    await semantic.ask(MEANT, model="docs")
    semantic.bench.search.passages["default"] = [passage("The port is 9000.", content_hash="new")]
    await semantic.ask("Tell me the port.", model="docs")

    first, same, other = [place.scope for place in semantic.tier.asked]
    assert first == same != other
    assert len(semantic.bench.embed.texts) == 3  # embedded once a request


async def test_what_no_guard_has_seen_is_not_remembered(make_bench: MakeBench) -> None:
    bench = make_bench(cache={"semantic": {"enabled": True}}, guard=OPEN_GUARD)
    assert bench.guard
    bench.guard.error = Unavailable("down")
    semantic = Semantic(bench)
    await semantic.ask(ASKED)

    assert semantic.tier.remembered == []
    assert bench.store.values == {}


async def test_an_answer_older_than_the_client_wants_is_not_served(semantic: Semantic) -> None:
    await semantic.ask(ASKED)
    semantic.tier.propose(MEANT)
    await semantic.ask(MEANT, use=replace(CacheUse(), max_age_s=0.0))

    assert semantic.states == ["miss", "miss"]
