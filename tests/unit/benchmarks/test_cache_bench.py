"""The cache benchmark: what counts as a hit, as a wrong one, and as a figure over the no-op."""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import httpx
import numpy as np
import openai
import pytest
from rich.console import Console

from app.evals.cache_judge.groups import load_groups
from app.evals.errors import DatasetError
from app.retrieval.embedder import Embedder
from benchmarks.cache import load
from benchmarks.cache.load import Job, load_generator
from benchmarks.cache.measure import Bench, Sample, Way
from benchmarks.cache.quality import Outcome, assess, is_hit, run_stream
from benchmarks.cache.questions import Ask, Group, answer_to, apart, read_groups, stream, variants
from benchmarks.cache.report import Report
from benchmarks.cache.run import Plan, run
from benchmarks.cache.summary import NOOP, summarize
from benchmarks.errors import BenchmarkFailed
from benchmarks.gateway.targets import Target
from benchmarks.machine import Machine
from benchmarks.servers import free_port, wait_for
from deployments.processes import Child

MACHINE = Machine(
    "2026-01-02T03:04:05+00:00", ("python",), "chip", 2, 24.0, "Linux", "3.11", {"ray": "1"}, "c0ffee", (0.5, 1, 1), 0
)
QUESTION = Ask("How tall is K2?", "question", "g", "g")
REPEAT = Ask("how tall is k2", "near repeat", "g", "g")
TRAP = Ask("How old is K2?", "trap", "g", "g#0", "attribute")
OTHER_TRAP = Ask("How tall is K3?", "trap", "g", "g#1", "entity")
GROUP = {
    "group": "g",
    "question": QUESTION.text,
    "near_repeats": [REPEAT.text],
    "paraphrases": ["What is K2's height?"],
    "traps": [{"text": TRAP.text, "kind": "attribute"}, {"text": OTHER_TRAP.text, "kind": "entity"}],
}


@contextmanager
def the_provider(directory: Path, answers: dict[str, str]) -> Iterator[Target]:
    """The provider, asked directly."""
    path, port = directory / "answers.json", free_port()
    path.write_text(json.dumps(answers))
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.cache.provider", str(port), str(path)])
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/count", Child("provider", process, directory / "log", True))
        yield Target("provider", f"{url}/v1/chat/completions", "bench", {}, (process.pid,), "")
    finally:
        process.kill()
        process.wait()


def base(target: Target) -> str:
    return target.url.removesuffix("/v1/chat/completions")


def job(target: Target, texts: list[str], **changes: object) -> Job:
    plain = Job(target.url, "bench", {}, {}, False, texts, 1, 2, "content-type")
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_provider_gives_each_question_its_own_answer_and_an_unknown_one_the_next(tmp_path: Path) -> None:
    with the_provider(tmp_path, {"a": "The first answer"}) as target:
        client = openai.OpenAI(base_url=f"{base(target)}/v1", api_key="none")

        def said(text: str) -> str | None:
            answer = client.chat.completions.create(model="bench", messages=[{"role": "user", "content": text}])
            return answer.choices[0].message.content

        assert [said("a"), said("b")] == ["The first answer", answer_to("b")]
        httpx.post(f"{base(target)}/next", json={"answer": "The told answer"})
        assert said("b") == "The told answer"
        assert [said("a"), said("b")] == ["The first answer", answer_to("b")]
        pieces = client.chat.completions.create(model="bench", messages=[{"role": "user", "content": "a"}], stream=True)
        assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == "The first answer"
        assert httpx.get(f"{base(target)}/count").json() == {"chat_requests": 6}


def test_provider_knows_a_question_of_which_a_guard_has_masked_parts(tmp_path: Path) -> None:
    with the_provider(tmp_path, {"How tall is K2?": "k", "Did Ada (in 1840) write to Charles?": "a"}) as target:
        url, body = target.url, {"model": "bench", "messages": [{"role": "user", "content": ""}]}
        for asked, answer in {
            "Did <PERSON_1> (in 1840) write to <PERSON_2>?": "a",
            "How tall is <PERSON_1>?": "k",
            "How old is <PERSON_1>?": answer_to("How old is <PERSON_1>?"),
        }.items():
            body["messages"] = [{"role": "user", "content": asked}]
            assert httpx.post(url, json=body).json()["choices"][0]["message"]["content"] == answer


def test_provider_does_not_guess_where_a_masked_question_may_be_either(tmp_path: Path) -> None:
    known = {"Which pip version is it?": "a", "Which Python version is it?": "b"}
    masked = "Which <PERSON_1> version is it?"
    with the_provider(tmp_path, known) as target:
        body = {"model": "bench", "messages": [{"role": "user", "content": masked}]}

        def said() -> str:
            return str(httpx.post(target.url, json=body).json()["choices"][0]["message"]["content"])

        assert said() == answer_to(masked)
        httpx.post(f"{base(target)}/next", json={"answer": "b"})
        assert said() == "b"


def test_every_text_is_sent_once_and_the_warm_up_is_not_measured(tmp_path: Path) -> None:
    with the_provider(tmp_path, {}) as target, load_generator() as generator:
        result = generator.run(job(target, [f"text {i}" for i in range(21)], clients=4))
        assert httpx.get(f"{base(target)}/count").json()["chat_requests"] == 21
        assert len(result.totals_ms) == len(result.first_words_ms) == 20
        assert set(result.tiers) == {"application/json"}
        streamed = generator.run(job(target, ["x"] * 5, stream=True))
        assert set(streamed.tiers) == {"text/event-stream"}
        assert all(0 < f <= t for f, t in zip(streamed.first_words_ms, streamed.totals_ms, strict=True))


@pytest.mark.parametrize("warm_up", [0, 3])
def test_a_failed_request_leaves_no_result_even_in_the_warm_up(tmp_path: Path, warm_up: int) -> None:
    with the_provider(tmp_path, {}) as target, load_generator() as generator:
        lost = replace(target, url=target.url.replace("/v1/", "/v2/"))
        with pytest.raises(BenchmarkFailed, match="404"):
            generator.run(job(lost, ["x"] * 4, warm_up=warm_up))


def test_a_row_is_about_the_answers_that_are_meant_and_none_without_enough_of_them(tmp_path: Path) -> None:
    with the_provider(tmp_path, {}) as target, load_generator() as generator:
        texts = [f"text {i}" for i in range(200)]

        def measure(meant: str) -> list[Sample]:
            way = Way("row", target, iter(texts), lambda tier: tier == meant, "content-type")
            return Bench([way], generator).measure({1: 30}, 2, lambda _: None)

        samples = measure("application/json")
        assert [(s.round, s.requests, s.meant) for s in samples] == [(0, 30, 30), (1, 30, 30)]
        with pytest.raises(BenchmarkFailed, match="only 0 of 30"):
            measure("text/plain")
        with pytest.raises(BenchmarkFailed, match="too few questions"):
            Way("row", target, iter(texts), lambda _: True).take(201)


def test_a_row_for_one_client_is_left_out_where_there_are_more(tmp_path: Path) -> None:
    with the_provider(tmp_path, {}) as target, load_generator() as generator:
        ways = [
            Way(name, target, iter([f"{name} {i}" for i in range(100)]), lambda _: True, one_client=name == "alone")
            for name in ("alone", "any")
        ]
        told: list[str] = []
        samples = Bench(ways, generator).measure({1: 5, 2: 5}, 1, told.append)
        assert [(sample.way, sample.clients) for sample in samples] == [("alone", 1), ("any", 1), ("any", 2)]
        assert len(told) == 4
        rows = {row.way: row for row in summarize(samples, {}, 2)}
        assert rows["alone"].requests_per_s is None
        assert rows["any"].requests_per_s is not None


def test_groups_that_ask_about_the_same_are_left_out() -> None:
    class Near:
        def embed(self, texts: list[str]) -> np.ndarray:
            vectors = {"a": (1, 0, 0), "b": (0, 1, 0), "like a": (0.8, 0, 0.6), "like that": (0.28, 0, 0.96)}
            return np.array([vectors[text] for text in texts], dtype=np.float32)

    groups = [Group(name, replace(QUESTION, text=name), (), ()) for name in ("a", "b", "like a", "like that")]
    left = apart(groups, cast("Embedder", Near()))
    assert [group.name for group in left] == ["a", "b", "like that"]


def test_groups_are_read_with_their_right_answers(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(GROUP) + "\n")
    (group,) = itertools.chain(*read_groups(tmp_path))
    assert {ask.intent for ask in (group.question, *group.repeats)} == {"g"}
    assert group.traps == (TRAP, OTHER_TRAP)
    assert len({answer_to(ask.intent) for ask in group.all}) == 3
    asks = stream([group], seed=1)
    assert asks[0] == group.question
    assert sorted(asks, key=lambda ask: ask.text) == sorted(group.all, key=lambda ask: ask.text)
    with pytest.raises(DatasetError):
        read_groups(tmp_path / "none")


def test_a_run_without_labelled_groups_has_no_result(tmp_path: Path) -> None:
    plan = Plan(False, False, tmp_path, tmp_path, tmp_path / "none", 1, {1: 50}, 1, "")
    with pytest.raises(BenchmarkFailed, match=r"no \.jsonl files"):
        run(plan, Console())


def test_no_group_that_taught_the_judge_is_among_those_it_is_measured_on(tmp_path: Path) -> None:
    names = [f"{kind}-{i}" for kind in ("x", "seed") for i in range(100)]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({**GROUP, "group": name}) for name in names))
    taught = {group.name for group in load_groups(tmp_path) if group.is_for_training}
    tested, trained = read_groups(tmp_path)
    assert {group.name for group in trained} == taught
    assert {group.name for group in tested} == set(names) - taught
    assert 25 < len(tested) < 75


def test_no_wording_comes_twice_and_none_is_a_text_that_was_asked_before() -> None:
    texts = ["How tall is K2?", "Name K2's height.", "Hi, How tall is K2?"]
    found = list(variants(texts, seed=1))
    assert len(found) == len(set(found)) > 100
    assert not set(found) & set(texts)
    assert found == list(variants(texts, seed=1))


def test_a_hit_is_what_the_cache_says_of_its_own_answers() -> None:
    assert [is_hit(tier) for tier in ("exact", "semantic", "hit", "8f2e", "miss", "bypass", "")] == [True] * 4 + [
        False
    ] * 3


def test_a_hit_is_wrong_when_the_answer_is_anothers() -> None:
    outcomes = [
        Outcome(QUESTION, "miss", "g"),
        Outcome(REPEAT, "semantic", "g"),
        Outcome(REPEAT, "semantic", "h"),  # another group's answer
        Outcome(REPEAT, "semantic", None),  # nobody's answer
        Outcome(REPEAT, "miss", "g"),
        Outcome(TRAP, "semantic", "g"),
        Outcome(TRAP, "exact", "g#0"),
        Outcome(OTHER_TRAP, "semantic", "g#0"),  # nobody has said whether that is right
        Outcome(OTHER_TRAP, "semantic", "h#0"),
    ]
    found = assess("cache", outcomes)
    assert found.near_repeats == (3, 4)
    assert found.traps == (4, 4)
    assert found.wrong == (4, 6)
    assert found.unlabelled == 1
    assert found.wrong_by_trap == {"": 2, "attribute": 1, "entity": 1}


def test_the_interval_of_a_share_is_wilsons() -> None:
    def interval(wrong: int, hits: int) -> tuple[float, float]:
        served = ["h"] * wrong + ["g"] * (hits - wrong)
        return assess("cache", [Outcome(REPEAT, "semantic", intent) for intent in served]).wrong_interval

    assert interval(0, 0) == (0.0, 1.0)
    assert interval(1, 100) == pytest.approx((0.00177, 0.05446), abs=1e-4)
    assert interval(100, 100)[1] == pytest.approx(1.0)


def test_a_cache_that_answers_all_alike_is_seen_as_wrong(tmp_path: Path) -> None:
    """The provider stands for a cache that serves the group's first answer to whatever looks like it."""
    same = answer_to("g")
    with the_provider(tmp_path, {QUESTION.text: same, REPEAT.text: same, TRAP.text: same}) as target:
        outcomes = run_stream(target, "content-type", base(target), [QUESTION, REPEAT, TRAP])
        assert assess("cache", outcomes).wrong == (1, 3)
        with pytest.raises(BenchmarkFailed, match="404"):
            run_stream(replace(target, url=f"{base(target)}/v2"), "x", base(target), [QUESTION])


def sample(way: str, number: int, times_ms: list[float], clients: int = 1) -> Sample:
    return Sample(number, way, clients, len(times_ms) + 1, len(times_ms), 100.0 * clients, times_ms, times_ms, 1.0)


def a_report(exact_ms: float) -> Report:
    samples = [
        sample(NOOP, 0, [1.0, 1.0]),
        sample("sextant exact hit", 0, [1.0 + exact_ms] * 2),
        sample(NOOP, 1, [11.0, 11.0]),
        sample("sextant exact hit", 1, [11.0 + exact_ms] * 2),
        sample(NOOP, 1, [5.0, 5.0], clients=16),
    ]
    target = Target("sextant", "http://x", "bench", {"authorization": "Bearer secret"}, (), "all")
    quality = [assess("sextant", [Outcome(REPEAT, "semantic", "g")])]
    return Report(MACHINE, [target], 2, 16, 1, "", summarize(samples, {}, 16), samples, quality)


def test_what_is_over_the_noop_is_taken_within_each_round() -> None:
    noop, exact = a_report(1.5).rows
    assert noop.over_ms is None
    assert exact.over_ms is not None
    assert (exact.over_ms.least, exact.over_ms.median, exact.over_ms.most) == pytest.approx((1.5, 1.5, 1.5))
    assert noop.requests_per_s is not None
    assert noop.requests_per_s.median == 1600
    assert exact.requests_per_s is None
    assert exact.meant_share == pytest.approx(2 / 3)


@pytest.mark.parametrize(("exact_ms", "word"), [(1.9, ": met."), (2.1, "NOT met.")])
def test_the_report_says_whether_a_goal_is_met_and_holds_no_key(tmp_path: Path, exact_ms: float, word: str) -> None:
    report = a_report(exact_ms)
    (goal,) = report.goals()
    assert goal.endswith(word)
    stem = report.save(tmp_path)
    assert stem.name == "cache-2026-01-02-0304"
    text = stem.with_suffix(".md").read_text()
    data = json.loads(stem.with_suffix(".json").read_text())
    assert goal in text
    assert data["goals"] == [goal]
    assert "totals_ms" not in data["samples"][0]
    assert "secret" not in text + json.dumps(data)


def test_requests_carry_what_the_row_adds() -> None:
    target = Target("t", "http://127.0.0.1:1/v1/chat/completions", "bench", {}, (), "")
    request = load.render(job(target, [], headers={"x-key": "k"}, extra={"sextant": {"cache": {"read": False}}}), "hi")
    head, body = request.split(b"\r\n\r\n")
    assert b"\r\nx-key: k" in head
    fields = json.loads(body)
    assert fields["sextant"] == {"cache": {"read": False}}
    assert fields["messages"] == [{"role": "user", "content": "hi"}]
    assert fields["temperature"] == 0
