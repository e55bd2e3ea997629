"""Micro-batching: who goes with whom, who waits for whom, and that nobody gets another's answer or failure."""

import asyncio
import random
import threading
from collections.abc import Sequence

import pytest

from app.config import GuardConfig
from app.guard.batching import BATCH_CHARACTERS, BATCH_TEXTS, INLINE_CHARACTERS, Batcher
from app.guard.masking import Masker
from app.guard.types import Screened

# Long enough to be screened in a thread, where it waits until the test lets it go.
HELD = "held " + "x" * INLINE_CHARACTERS
LONG = "held " + "x" * BATCH_CHARACTERS


class Recorder:
    """Screens by giving texts back, and notes each batch. `held` texts wait for `release`, `bad` ones fail."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.begun, self.release = threading.Event(), threading.Event()

    def screen_all(self, calls: Sequence[Sequence[str]]) -> list[Screened]:
        self.batches.append([texts[0] for texts in calls])
        if any(texts[0].startswith("held") for texts in calls):
            self.begun.set()
            assert self.release.wait(10)
        if bad := [texts[0] for texts in calls if texts[0].startswith("bad")]:
            raise ValueError(bad[0])
        return [Screened(tuple(texts)) for texts in calls]

    async def hold(self, batcher: Batcher, text: str = HELD) -> "asyncio.Task[Screened]":
        task = asyncio.create_task(batcher.screen([text]))
        assert await asyncio.to_thread(self.begun.wait, 10)
        return task


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def batcher(recorder: Recorder) -> Batcher:
    return Batcher(recorder.screen_all)


def started(batcher: Batcher, *texts: str) -> "list[asyncio.Task[Screened]]":
    return [asyncio.create_task(batcher.screen([text])) for text in texts]


async def test_one_call_alone_is_answered_at_once(recorder: Recorder, batcher: Batcher) -> None:
    assert await batcher.screen(["a", "b"]) == Screened(("a", "b"))
    assert recorder.batches == [["a"]]


async def test_calls_that_arrive_while_a_batch_is_screened_go_together_in_the_next(
    recorder: Recorder, batcher: Batcher
) -> None:
    held = await recorder.hold(batcher)
    calls = started(batcher, "a", "b", "c")
    await asyncio.sleep(0)
    recorder.release.set()

    assert [(await call).texts for call in (held, *calls)] == [(HELD,), ("a",), ("b",), ("c",)]
    assert recorder.batches == [[HELD], ["a", "b", "c"]]


async def test_calls_of_the_same_moment_share_a_batch(recorder: Recorder, batcher: Batcher) -> None:
    await asyncio.gather(*started(batcher, "a", "b", "c"))

    assert recorder.batches == [["a", "b", "c"]]


async def test_a_batch_is_bounded_in_characters_and_keeps_the_order(recorder: Recorder, batcher: Batcher) -> None:
    texts = [f"{number}".ljust(BATCH_CHARACTERS // 3, ".") for number in range(10)]

    answers = await asyncio.gather(*started(batcher, *texts))

    assert [answer.texts[0] for answer in answers] == texts
    assert [len(batch) for batch in recorder.batches] == [3, 3, 3, 1]
    assert [text for batch in recorder.batches for text in batch] == texts


async def test_a_batch_is_bounded_in_texts(recorder: Recorder, batcher: Batcher) -> None:
    await asyncio.gather(*started(batcher, *map(str, range(BATCH_TEXTS + 1))))

    assert [len(batch) for batch in recorder.batches] == [BATCH_TEXTS, 1]


async def test_a_call_given_up_while_it_waits_is_never_screened(recorder: Recorder, batcher: Batcher) -> None:
    held = await recorder.hold(batcher)
    kept, cancelled, late = started(batcher, "kept", "cancelled", "kept too")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await batcher.screen(["timed out"])
    cancelled.cancel()
    await asyncio.wait([cancelled])
    recorder.release.set()

    await asyncio.gather(held, kept, late)
    assert cancelled.cancelled()
    assert recorder.batches == [[HELD], ["kept", "kept too"]]


async def test_a_call_given_up_while_it_is_screened_costs_the_others_nothing(
    recorder: Recorder, batcher: Batcher
) -> None:
    gone = await recorder.hold(batcher)
    waiting = started(batcher, "a", "b")
    gone.cancel()
    await asyncio.wait([gone])
    recorder.release.set()

    assert [(await call).texts for call in waiting] == [("a",), ("b",)]
    assert await batcher.screen(["later"]) == Screened(("later",))


async def test_a_long_text_holds_no_short_one_up(recorder: Recorder, batcher: Batcher) -> None:
    long = await recorder.hold(batcher, LONG)
    many = asyncio.create_task(batcher.screen(["many"] * (BATCH_TEXTS + 1)))

    assert await asyncio.wait_for(batcher.screen(["short"]), 5) == Screened(("short",))
    assert not long.done()
    assert not many.done()  # it does not fit either, and waits for its turn behind the long one

    recorder.release.set()
    await asyncio.gather(long, many)
    assert recorder.batches == [[LONG], ["short"], ["many"]]


async def test_long_texts_are_screened_one_by_one_in_order(recorder: Recorder, batcher: Batcher) -> None:
    recorder.release.set()
    texts = [LONG + str(number) for number in range(3)]

    await asyncio.gather(*started(batcher, *texts))

    assert recorder.batches == [[text] for text in texts]


async def test_a_failure_reaches_its_own_caller_only(recorder: Recorder, batcher: Batcher) -> None:
    answers = await asyncio.gather(*started(batcher, "a", "bad one", "b", "bad two"), return_exceptions=True)

    assert [str(answer) for answer in answers if isinstance(answer, ValueError)] == ["bad one", "bad two"]
    assert [answer.texts for answer in answers if isinstance(answer, Screened)] == [("a",), ("b",)]
    assert await batcher.screen(["later"]) == Screened(("later",))


async def test_answers_in_batches_are_those_of_each_call_alone() -> None:
    masker = Masker(GuardConfig())
    parts = (
        "John Smith|Mary Jones|Müller|O'Brien's|Dr. Li Wei|john.smith@example.com|4111 1111 1111 1111|and|wrote to|"
        "+1 415 555 2671|192.168.10.4|DE89 3704 0044 0532 0130 00|536-90-4399|<PERSON_1>|about the invoice|,|.|\n| |"
        "How do I paginate a REST API with cursors?"
    ).split("|")
    chance = random.Random(5)
    calls = [
        [" ".join(chance.choices(parts, k=chance.randint(0, 30))) for _ in range(chance.randint(0, 4))]
        for _ in range(120)
    ]
    batcher = Batcher(masker.screen_all)

    answers = await asyncio.gather(*map(batcher.screen, calls))

    assert answers == [masker.screen(texts) for texts in calls]
    assert sum(len(answer.findings) for answer in answers) > 500
