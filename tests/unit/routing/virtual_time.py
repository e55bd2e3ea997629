"""An event loop in which waiting takes no time: when nothing is ready, its clock jumps to the next timer."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Where a loop would sleep, time is added up instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits, and nothing will ever happen")
        self.now += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` is the virtual clock."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def virtually(scenario: Coroutine[Any, Any, T]) -> T:
    """Run a scenario to its end in virtual time. It must leave no task behind."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        result = runner.run(scenario)
        left = asyncio.all_tasks(runner.get_loop())
        assert not left, left
        return result


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Decorator: an async test, run in virtual time."""

    @wraps(test)
    def run(*arguments: Any, **options: Any) -> None:
        virtually(test(*arguments, **options))

    return run


def now() -> float:
    """The running loop's time, seconds."""
    return asyncio.get_running_loop().time()
