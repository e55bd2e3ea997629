"""Load shedding: a bound that holds, a place that comes back, and batches that go first."""

import pytest

from app.errors import Unavailable
from app.routing.events import RequestShed, RoutingEvent
from app.routing.shed import Shedder


def test_one_more_than_the_limit_is_refused_at_once_and_told_when_to_come_back() -> None:
    shedder = Shedder(limit=2, batch_share=1)
    with shedder.admitted(), shedder.admitted():
        with pytest.raises(Unavailable) as raised, shedder.admitted():
            pytest.fail("admitted past the limit")
        assert raised.value.headers() == {"retry-after": "1"}
        assert shedder.shed == 1
    with shedder.admitted(), shedder.admitted():
        pass


def test_who_was_refused_is_told() -> None:
    told: list[RoutingEvent] = []
    shedder = Shedder(limit=1, batch_share=1, listeners=[told.append])
    with shedder.admitted():
        for is_batch in (False, True):
            with pytest.raises(Unavailable), shedder.admitted(is_batch=is_batch):
                pytest.fail("admitted past the limit")
    assert told == [RequestShed(is_batch=False), RequestShed(is_batch=True)]


def test_a_place_comes_back_from_a_request_that_fails() -> None:
    shedder = Shedder(limit=1, batch_share=1)
    for _ in range(3):
        with pytest.raises(RuntimeError), shedder.admitted(is_batch=True):
            raise RuntimeError


def test_batches_take_their_share_and_leave_the_rest_to_people() -> None:
    shedder = Shedder(limit=4, batch_share=0.5)
    with shedder.admitted(is_batch=True), shedder.admitted(is_batch=True):
        with pytest.raises(Unavailable), shedder.admitted(is_batch=True):
            pytest.fail("a batch took more than its share")
        with shedder.admitted(), shedder.admitted(), pytest.raises(Unavailable), shedder.admitted():
            pytest.fail("admitted past the limit")


@pytest.mark.parametrize(("share", "places"), [(0, 0), (0.01, 1), (0.5, 2), (1, 4)])
def test_a_small_share_of_a_small_limit_is_one_place_and_no_share_is_none(share: float, places: int) -> None:
    shedder = Shedder(limit=4, batch_share=share)
    admitted = [shedder.admitted(is_batch=True) for _ in range(places)]
    for place in admitted:
        place.__enter__()
    with pytest.raises(Unavailable), shedder.admitted(is_batch=True):
        pytest.fail("a batch took more than its share")
