"""Waiting for the parts of a starting stack, with what they say meanwhile."""

import time
from collections.abc import Callable, Set
from dataclasses import dataclass, field

import httpx
from rich.console import Console
from rich.markup import escape

from deployments.processes import Child

START_TIMEOUT_S = 300.0
LOOK_EVERY_S, SHOW_EVERY_S = 0.1, 0.5


class StartFailed(Exception):
    """The stack did not come up, or fell; `str()` says why and where to look."""


@dataclass
class Waiting:
    """Waits, and prints what has come. `check` raises StartFailed when waiting on makes no sense."""

    console: Console
    check: Callable[[], None]
    _since: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._since

    def require(self, what: str, is_there: Callable[[], bool], child: Child | None = None) -> None:
        """Wait for what the stack cannot do without. Raises StartFailed when it does not come."""
        problem = self.until(what, is_there, child, START_TIMEOUT_S)
        if problem:
            raise StartFailed(f"{what}: {problem}")

    def until(self, what: str, is_there: Callable[[], bool], child: Child | None, limit_s: float) -> str:
        """Wait, with the last line of the child's log shown. Returns what went wrong, empty when nothing did.

        `child`: the process that it comes from; when that ends before, nothing is waited for any longer.
        Raises StartFailed when `check` does.
        """
        deadline = time.monotonic() + limit_s
        shown_at = time.monotonic()
        with self.console.status(f"{what} ...") as status:
            while not is_there():
                self.check()
                if child and child.process.poll() is not None and not is_there():
                    return f"{child.name} {child.last_words()}"
                now = time.monotonic()
                if now > deadline:
                    seen = f"; the end of {child.log}:\n{child.tail()}" if child else ""
                    return f"not there after {limit_s:.0f} s{seen}"
                if child and self.console.is_terminal and now - shown_at >= SHOW_EVERY_S:
                    shown_at = now
                    status.update(f"{what} ... [dim]{escape(child.last_line())}[/]")
                time.sleep(LOOK_EVERY_S)
        self.console.print(f"[green]✓[/] {what} [dim]({self.seconds:.1f} s)[/]")
        return ""


def answers(url: str, good: Set[int] = frozenset({200})) -> Callable[[], bool]:
    """Whether a GET is answered with one of these statuses."""

    def check() -> bool:
        answer = _answer(url)
        return answer is not None and answer.status_code in good

    return check


def all_up(url: str) -> Callable[[], bool]:
    """Whether the stack is ready with all that it requires: with each model served here, though one would do."""

    def check() -> bool:
        answer = _answer(url)
        if answer is None or not answer.is_success:
            return False
        states = answer.json()["dependencies"].values()
        return all(state["state"] == "up" for state in states if state["required"])

    return check


def _answer(url: str) -> httpx.Response | None:
    try:
        # No proxy of the environment leads to this machine.
        return httpx.get(url, timeout=5, trust_env=False)
    except httpx.HTTPError:
        return None


def finished(child: Child) -> Callable[[], bool]:
    """Whether a process has ended well."""
    return lambda: child.process.poll() == 0
