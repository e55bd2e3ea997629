"""A function of one's own: what it may answer, and what becomes of wrong answers."""

import sys
from collections.abc import Callable, Iterator
from itertools import count
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from app.config.policy import PythonSettings
from app.guard.policy_rails.hook import HookRail
from app.guard.rail import RailMissing
from app.guard.types import Hit

Make = Callable[[Any], HookRail]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    def made(function: Any) -> HookRail:
        module = ModuleType("own_rails")
        module.check = function  # type: ignore[attr-defined] # a module of the test's own
        monkeypatch.setitem(sys.modules, "own_rails", module)
        return HookRail(PythonSettings(hook="own_rails:check"))

    return made


@pytest.mark.parametrize(
    ("answer", "hits"),
    [
        (True, [Hit("check", 1.0, 0, 5)]),
        (False, []),
        (np.bool_(True), [Hit("check", 1.0, 0, 5)]),
        (0.25, [Hit("check", 0.25, 0, 5)]),
        (np.float32(0.5), [Hit("check", 0.5, 0, 5)]),
        (7, [Hit("check", 1.0, 0, 5)]),
        ([], []),
        ([Hit("own", 0.5, 1, 2)], [Hit("own", 0.5, 1, 2)]),
        ((("own", 2.0, -3, 99),), [Hit("own", 1.0, 0, 5)]),
        ([("own", 0.5, 4, 2)], [Hit("own", 0.5, 4, 4)]),
    ],
)
def test_what_it_may_answer(make: Make, answer: Any, hits: list[Hit]) -> None:
    assert make(lambda text: answer).examine(["hello"]) == [hits]


@pytest.mark.parametrize(
    "answer", [None, "yes", {"rule": 1}, [None], [("own", 0.5)], [("", 0.5, 0, 1)], float("nan"), [("own", "x", 0, 1)]]
)
def test_any_other_answer_is_a_failure(make: Make, answer: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        make(lambda text: answer).examine(["hello"])


def test_what_it_raises_is_raised(make: Make) -> None:
    def check(text: str) -> bool:
        raise KeyError(text)

    with pytest.raises(KeyError):
        make(check).examine(["hello"])


def test_endless_hits_end(make: Make) -> None:
    def check(text: str) -> Iterator[tuple[str, float, int, int]]:
        return (("own", 1.0, at, at + 1) for at in count())

    hits = make(check).examine(["x" * 1000])[0]
    assert len(hits) == 200
    assert hits[-1].end == 1000


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("no_such_module_here:check", "put its directory on PYTHONPATH"),
        ("math:no_such_function", "has no 'no_such_function'"),
        ("math:pi", "cannot be called"),
        ("asyncio:sleep", "make it a plain `def`"),
    ],
)
def test_a_hook_that_is_not_there_says_what_to_do(hook: str, said: str) -> None:
    with pytest.raises(RailMissing, match=said):
        HookRail(PythonSettings(hook=hook))


def test_its_version_is_in_the_rails(make: Make) -> None:
    def check(text: str) -> bool:
        return False

    versions = set()
    for version in ("1", "2"):
        check.version = version  # type: ignore[attr-defined] # a function may have one
        versions.add(make(check).version)
    assert len(versions) == 2
