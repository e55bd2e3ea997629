"""A replica's time is split over the requests that it works on, and all of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ledger.share import ReplicaClock


class Watch:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_request_alone_has_the_whole_replica() -> None:
    watch = Watch()
    clock = ReplicaClock(watch)
    start = clock.start()
    watch.now += 2

    assert clock.end(start) == pytest.approx(2)


def test_two_at_once_have_half_each_while_both_run() -> None:
    watch = Watch()
    clock = ReplicaClock(watch)
    first = clock.start()
    watch.now += 1
    second = clock.start()
    watch.now += 2

    assert clock.end(second) == pytest.approx(1)
    watch.now += 3
    assert clock.end(first) == pytest.approx(1 + 1 + 3)


def test_idle_time_is_nobodys() -> None:
    watch = Watch()
    clock = ReplicaClock(watch)
    clock.end(clock.start())
    watch.now += 50

    assert clock.end(clock.start()) == 0


@given(st.lists(st.tuples(st.sampled_from(["start", "end"]), st.floats(0, 10)), max_size=40))
def test_all_shares_together_are_the_time_with_work(events: list[tuple[str, float]]) -> None:
    watch = Watch()
    clock = ReplicaClock(watch)
    open_: list[float] = []
    billed = busy = 0.0
    for what, wait in events:
        busy += wait if open_ else 0
        watch.now += wait
        if what == "start":
            open_.append(clock.start())
        elif open_:
            billed += clock.end(open_.pop(0))
    billed += sum(clock.end(start) for start in open_)

    assert billed == pytest.approx(busy)
