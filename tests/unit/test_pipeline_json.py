"""Answers that must be JSON, and stay it: values that are given back, and those that are masked."""

import json
import random
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config.policy import AnyRail, SecretsSettings
from app.errors import Unavailable
from app.guard.engine import Job
from app.guard.output.stream_window import apart, masked
from app.guard.secrets.rail import SecretsRail
from app.guard.types import Examined, Hit
from app.pipeline.json_answers import values_of
from tests.unit.bench import Bench, text_of
from tests.unit.conftest import MakeBench
from tests.unit.fakes import FakeGuard
from tests.unit.test_pipeline_guard import BLOCKING, MASKING, finish, policy

OBJECT = {"type": "json_object"}
SCHEMA = {"type": "object", "properties": {"pin": {"type": "integer"}}}
FORMATS: list[dict[str, Any]] = [OBJECT, {"type": "json_schema", "json_schema": {"name": "pin", "schema": SCHEMA}}]
SECRETS = {"rail": "secrets", "mode": "mask"}


@dataclass
class RealSecrets(FakeGuard):
    """Finds secrets as the rail for them does."""

    def _examined(self, settings: AnyRail, job: Job) -> Examined:
        hits = SecretsRail(SecretsSettings()).examine(job.texts)
        return Examined(settings.name, "real", tuple(map(tuple, hits)), 0.1)


def guarded(make_bench: MakeBench, *names: str, rails: list[dict[str, Any]] | None = None) -> Bench:
    bench = make_bench(guard=policy(output=rails or [MASKING]), cache={"enabled": False})
    bench.guard = FakeGuard(names=names)
    return bench


def pieces(text: str, size: int = 7) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


async def ask(bench: Bench, stream: bool, wanted: dict[str, Any] = OBJECT) -> Any:
    return await (bench.chunks if stream else bench.answer)("Who?", response_format=wanted)


class TestRestored:
    """The values of the request."""

    @pytest.mark.parametrize("wanted", FORMATS, ids=["object", "schema"])
    @pytest.mark.parametrize("value", ["12 High St.\nParis", 'p"a\\ss\\', "tab\tJürgen"])
    async def test_json_holds_any_value_whole_streamed_and_replayed(
        self, bench: Bench, wanted: dict[str, Any], value: str
    ) -> None:
        bench.guard = FakeGuard(names=[value])
        bench.model.pieces = ['{"address": "<PER', 'SON_1>", "n"', ": 1}"]
        asked = f"It is {value}."
        expected = {"address": value, "n": 1}
        made = await bench.chunks(asked, response_format=wanted)
        replayed: Any = [
            await bench.answer(asked, response_format=wanted),
            await bench.chunks(asked, response_format=wanted),
        ]
        bench.forget()
        bench.store.values.clear()
        whole = await bench.answer(asked, response_format=wanted)

        assert len(bench.model.bodies) == 2
        for answer in (made, *replayed, whole):
            assert json.loads(text_of(answer)) == expected

    @pytest.mark.parametrize("fields", [{}, {"response_format": {"type": "text"}}], ids=["none", "text"])
    async def test_in_prose_a_value_is_as_it_was(self, bench: Bench, fields: dict[str, Any]) -> None:
        bench.guard = FakeGuard(names=['"A"\nB'])
        bench.model.pieces = ["Dear <PERSON_1>."]

        assert text_of(await bench.answer('I am "A"\nB.', **fields)) == 'Dear "A"\nB.'


class TestMasked:
    """What the output rails find."""

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            ('{"user": "ann", "pin": 4821}', {"user": "ann", "pin": "[PIN]"}),
            ('{"password": 123456}', {"password": "[PASSWORD]"}),
            ('{"password":"a,b c","n":1}', {"password": "[PASSWORD]", "n": 1}),
        ],
    )
    async def test_a_secret_is_known_by_its_name_and_the_answer_stays_json(
        self, make_bench: MakeBench, answer: str, expected: dict[str, Any], stream: bool
    ) -> None:
        bench = make_bench(guard=policy(output=[SECRETS]))
        bench.guard = RealSecrets()
        bench.model.pieces = pieces(answer, 3)

        assert json.loads(text_of(await ask(bench, stream))) == expected

    async def test_a_stream_is_what_the_whole_would_be_however_it_is_cut(self, make_bench: MakeBench) -> None:
        bench = guarded(make_bench, "Alice Smith", "4821", 'Bo"b', "Jürgen")
        people = [{"who": "Alice Smith, said", "pin": 48210, "ok": True}, 'Bo"b\n', {"J\u00fcrgen": -4821.5}]
        expected = [
            {"who": "[PERSON], said", "pin": "[PERSON]0", "ok": True}, "[PERSON]\n", {"[PERSON]": "-[PERSON].5"},
        ]  # fmt: skip
        text = json.dumps(people * 4, indent=1)
        bench.model.pieces = [text]
        whole = text_of(await ask(bench, stream=False))
        assert json.loads(whole) == expected * 4
        chance = random.Random(7)
        for _ in range(20):
            cuts = sorted(chance.sample(range(1, len(text)), 60))
            bench.model.pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
            chunks = await ask(bench, stream=True)

            assert text_of(chunks) == whole
            assert len([chunk for chunk in chunks if text_of([chunk])]) > 3  # it is a stream still
            assert finish(chunks) == ["stop"]

    @pytest.mark.parametrize("stream", [False, True])
    async def test_escapes_hide_nothing(self, make_bench: MakeBench, stream: bool) -> None:
        bench = guarded(make_bench, "Jürgen", "a\nb", "Ann")
        text = '{"to": "J\\u00fcrgen \\ud83d\\ude00\\nAnn", "key": "=a\\nb=", "n": 1, "as it is": "\\u0041 \\/"}'
        bench.model.pieces = pieces(text)
        said = text_of(await ask(bench, stream))

        assert json.loads(said) == {"to": "[PERSON] 😀\n[PERSON]", "key": "=[PERSON]=", "n": 1, "as it is": "A /"}
        assert said.endswith('"\\u0041 \\/"}')  # what nothing is found in keeps its spelling

    @pytest.mark.parametrize("stream", [False, True])
    async def test_what_escapes_hide_is_blocked(self, make_bench: MakeBench, stream: bool) -> None:
        bench = guarded(make_bench, "Jürgen", rails=[BLOCKING])
        bench.model.pieces = pieces('{"to": "J\\u00fcrgen", "more": 1}')
        answer = await ask(bench, stream)

        assert "rgen" not in text_of(answer)
        assert finish(answer if stream else [answer]) == ["content_filter"]

    @pytest.mark.parametrize("stream", [False, True])
    async def test_a_rail_that_needs_all_of_it_sees_the_source(self, make_bench: MakeBench, stream: bool) -> None:
        bench = guarded(make_bench, "4821", rails=[{"rail": "length", "mode": "block"}, MASKING])
        text = '{"pin": 4821, "said": "a\\nb"}'
        bench.model.pieces = pieces(text)

        assert text_of(await ask(bench, stream)) == text.replace("4821", '"[PERSON]"')
        assert bench.guard
        assert bench.guard.calls[0] == [text]

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            ("I am Ann, 4821.", "I am [PERSON], [PERSON]."),
            ('```json\n{"pin": 4821}\n```', '```json\n{"pin": [PERSON]}\n```'),
            (
                '{"who": "Ann", "pin": 4821, "to": "Ann a\\u00',
                '{"who": "[PERSON]", "pin": "[PERSON]", "to": "[PERSON] a\\u00',
            ),
        ],
        ids=["prose", "fence", "cut"],
    )
    async def test_what_is_no_json_is_masked_all_the_same(
        self, make_bench: MakeBench, answer: str, expected: str, stream: bool
    ) -> None:
        bench = guarded(make_bench, "Ann", "4821")
        bench.model.pieces = pieces(answer)

        assert text_of(await ask(bench, stream)) == expected

    @pytest.mark.parametrize("stream", [False, True])
    async def test_json_that_was_not_asked_for_is_a_text(self, make_bench: MakeBench, stream: bool) -> None:
        bench = guarded(make_bench, "4821")
        bench.model.pieces = pieces('{"pin": 4821}')

        assert text_of(await ask(bench, stream, {"type": "text"})) == '{"pin": [PERSON]}'

    async def test_no_value_leaves_before_it_is_whole(self, make_bench: MakeBench) -> None:
        bench = guarded(make_bench, "Ann")
        long = "said " * 60
        bench.model.pieces = pieces(json.dumps({"first": long, "then": long, "last": long}))
        parts = [text_of([chunk]) for chunk in await ask(bench, stream=True) if text_of([chunk])]

        assert len(parts) > 2
        assert [part.count('"') % 2 for part in parts] == [0] * len(parts)

    @pytest.mark.parametrize("stream", [False, True])
    async def test_rails_that_fail_open_leave_it_as_it_is(self, make_bench: MakeBench, stream: bool) -> None:
        bench = guarded(make_bench, rails=[{**MASKING, "on_failure": "open"}])
        assert bench.guard
        bench.guard.error = Unavailable("down")
        text = '{"a": "b\\nc", "d": [1, 2.50, null]}'
        bench.model.pieces = pieces(text)

        assert text_of(await ask(bench, stream)) == text


class TestChecked:
    """A schema that blocks holds of what leaves."""

    @pytest.mark.parametrize("stream", [False, True])
    async def test_what_is_masked_and_still_what_was_asked_for_leaves(
        self, make_bench: MakeBench, stream: bool
    ) -> None:
        bench = guarded(make_bench, "Ann", rails=[MASKING, {"rail": "json_schema"}])
        bench.model.pieces = ['{"user": "Ann", "pin": 4821}']
        answer = await ask(bench, stream, FORMATS[1])

        assert json.loads(text_of(answer)) == {"user": "[PERSON]", "pin": 4821}
        assert finish(answer if stream else [answer]) == ["stop"]

    @pytest.mark.parametrize("stream", [False, True])
    async def test_what_no_longer_is_does_not(self, make_bench: MakeBench, stream: bool) -> None:
        bench = make_bench(guard=policy(output=[MASKING, {"rail": "json_schema"}]))
        bench.guard = FakeGuard(names=["4821"])
        bench.model.pieces = ['{"user": "Ann", "pin": 4821}']
        answer = await ask(bench, stream, FORMATS[1])
        parts = answer if stream else [answer]

        assert text_of(answer) == ""
        assert finish(parts) == ["content_filter"]
        told = [part["sextant"]["guard"] for part in parts if "guard" in part.get("sextant", {})]
        assert told[-1][-1]["rule"] == "json_schema.invalid"
        assert bench.store.values == {}
        assert len(bench.model.bodies) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
SPANS = st.lists(st.tuples(st.integers(0, 80), st.integers(1, 30)), max_size=6)


@given(JSON, st.booleans(), SPANS)
def test_whatever_is_hit_it_is_json_and_none_of_it_is_left(value: Any, is_ascii: bool, spans: list[Any]) -> None:
    source = json.dumps(value, ensure_ascii=is_ascii)
    hits = apart([Hit("X", 0.9, start, min(start + length, len(source))) for start, length in spans], len(source))
    values = values_of(source)
    sources = {each.start: each.masked(hits, ()) for each in values}
    said = masked(source, [each.span for each in values], lambda hit, text: sources[hit.start])

    json.loads(said)
    for each in values:
        inside = range(each.start + 1, each.start + len(each.source) - 1)
        reach = inside if each.source.startswith('"') else range(each.start, each.start + len(each.source))
        is_hit = any(hit.start < reach.stop and hit.end > reach.start for hit in hits) and len(reach) > 0
        assert ("[X]" in sources[each.start]) if is_hit else (sources[each.start] == each.source)
