"""A rail in its threads: who goes with whom, and what becomes of calls when it throws, hangs or answers nonsense."""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence

import pytest

from app.failures import Failures
from app.guard import runner as runner_module
from app.guard.runner import BATCH_CHARACTERS, BATCH_TEXTS, Runner
from app.guard.types import Examined, Hit

DEADLINE_S = 20.0  # never reached, where nothing hangs


class Rail:
    """Finds each text whole. `held...` waits for `release`, `bad...` throws; notes each batch."""

    version = "1"

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.begun, self.release = threading.Event(), threading.Event()

    def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
        self.batches.append(list(texts))
        if any(text.startswith("held") for text in texts):
            self.begun.set()
            assert self.release.wait(60)
        if any(text.startswith("bad") for text in texts):
            raise ValueError("private words")
        if any(text.startswith("odd") for text in texts):
            return []
        return [[Hit(text[:10], 1.0, 0, len(text))] for text in texts]

    async def hold(self, runner: Runner, text: str = "held") -> "asyncio.Task[Examined]":
        task = asyncio.create_task(runner.run([text]))
        assert await asyncio.to_thread(self.begun.wait, 10)
        self.begun.clear()
        return task


@pytest.fixture
def rail() -> Rail:
    return Rail()


def made(rail: Rail, deadline_s: float = DEADLINE_S) -> Runner:
    return Runner(rail, "rail", deadline_s, Failures(logging.getLogger(__name__), "rail"))


def rules(examined: Examined) -> list[str]:
    return [hit.rule for hits in examined.hits for hit in hits]


async def test_a_call_is_answered_for_each_of_its_texts(rail: Rail) -> None:
    examined = await made(rail).run(["a", "b"])

    assert (examined.rail, examined.version, examined.failure) == ("rail", "1", "")
    assert rules(examined) == ["a", "b"]
    assert rail.batches == [["a", "b"]]


async def test_calls_that_arrive_meanwhile_share_the_next_batch_and_keep_their_own_answers(rail: Rail) -> None:
    runner = made(rail)
    held = await rail.hold(runner)
    calls = [asyncio.create_task(runner.run([text])) for text in "abc"]
    await asyncio.sleep(0)
    rail.release.set()

    assert [rules(await call) for call in (held, *calls)] == [["held"], ["a"], ["b"], ["c"]]
    assert rail.batches == [["held"], ["a", "b", "c"]]


async def test_a_batch_is_bounded_and_a_long_text_is_examined_beside(rail: Rail) -> None:
    runner = made(rail)
    held = await rail.hold(runner)
    third = "x" * (BATCH_CHARACTERS // 3)
    calls = [asyncio.create_task(runner.run([f"{number}{third}"])) for number in range(5)]
    long = asyncio.create_task(runner.run(["y" * (BATCH_CHARACTERS + 1)]))
    assert len(rules(await long)) == 1  # it waits for nobody
    rail.release.set()
    await asyncio.gather(held, *calls)

    assert max(len(batch) for batch in rail.batches[2:]) == 2


async def test_one_that_throws_takes_no_other_with_it_and_says_nothing_of_the_text(
    rail: Rail, caplog: pytest.LogCaptureFixture
) -> None:
    runner = made(rail)
    held = await rail.hold(runner)
    calls = [asyncio.create_task(runner.run([text])) for text in ("a", "bad", "b")]
    await asyncio.sleep(0)
    rail.release.set()
    await held

    assert [(each.failure, rules(each)) for each in await asyncio.gather(*calls)] == [
        ("", ["a"]), ("error", []), ("", ["b"]),
    ]  # fmt: skip
    assert "ValueError" in caplog.text
    assert "private" not in caplog.text


async def test_an_answer_that_is_none_is_a_failure(rail: Rail) -> None:
    assert (await made(rail).run(["odd"])).failure == "error"


async def test_a_rail_that_hangs_fails_at_its_deadline_and_another_thread_goes_on(rail: Rail) -> None:
    runner = made(rail, 0.2)
    started = time.monotonic()
    assert (await runner.run(["held"])).failure == "timeout"
    assert time.monotonic() - started < 5

    assert rules(await runner.run(["after"])) == ["after"]
    rail.release.set()


async def test_once_all_threads_hang_calls_fail_at_once_and_recover(rail: Rail) -> None:
    runner = made(rail, 0.2)
    assert [(await runner.run([text])).failure for text in ("held 1", "held 2")] == ["timeout", "timeout"]
    await asyncio.sleep(0.25)  # the second is past its deadline too, by the thread's own clock
    started = time.monotonic()
    assert (await runner.run(["third"])).failure == "busy"
    assert time.monotonic() - started < 0.1

    rail.release.set()
    for _ in range(100):
        if not (again := await runner.run(["third"])).failure:
            break
        await asyncio.sleep(0.05)
    assert rules(again) == ["third"]


async def test_a_call_that_was_given_up_is_not_examined(rail: Rail) -> None:
    runner = made(rail)
    held = await rail.hold(runner)
    given_up = asyncio.create_task(runner.run(["given up"]))
    await asyncio.sleep(0)
    given_up.cancel()
    after = asyncio.create_task(runner.run(["after"]))
    await asyncio.sleep(0)
    rail.release.set()
    await asyncio.gather(held, after)

    assert rail.batches == [["held"], ["after"]]


async def test_what_was_examined_is_remembered_but_no_failure(rail: Rail) -> None:
    runner = made(rail)
    first = await runner.run(["a", "b"])
    again = await runner.run(["b", "c", "a"])

    assert rules(first) == ["a", "b"]
    assert rules(again) == ["b", "c", "a"]
    assert rail.batches == [["a", "b"], ["c"]]
    assert [(await runner.run(["bad"])).failure for _ in range(2)] == ["error", "error"]
    assert rail.batches[2:] == [["bad"], ["bad"]]


async def test_what_is_remembered_is_bounded_by_its_hits(rail: Rail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "REMEMBERED_HITS", 2)
    runner = made(rail)
    for text in "abccba":
        assert rules(await runner.run([text])) == [text]

    assert rail.batches == [["a"], ["b"], ["c"], ["a"]]  # one hit each


async def test_half_a_surrogate_pair_is_a_text_like_others(rail: Rail) -> None:
    (hits,) = (await made(rail).run(["\ud800 a"])).hits

    assert [(hit.start, hit.end) for hit in hits] == [(0, 3)]
    assert hits[0].rule.isascii()  # headers and metrics carry it


async def test_many_texts_go_in_slices_and_equal_ones_once(rail: Rail) -> None:
    texts = [str(number) for number in range(BATCH_TEXTS * 2 + 1)] * 3

    assert rules(await made(rail).run(texts)) == texts
    assert [len(batch) for batch in rail.batches] == [BATCH_TEXTS, BATCH_TEXTS, 1]


async def test_a_librarys_panic_fails_its_call_and_no_other(rail: Rail) -> None:
    class Panics(Rail):
        def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
            if "panic" in texts:
                raise SystemExit(1)
            return super().examine(texts)

    runner = made(Panics())
    assert [(await runner.run(["panic"])).failure for _ in range(3)] == ["error"] * 3
    assert rules(await runner.run(["after"])) == ["after"]
