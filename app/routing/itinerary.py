"""Itinerary: which target a request asks next, and when. Holds its retry budget."""

import asyncio
from random import Random

from app.config.routing import RoutingConfig
from app.errors import BudgetExceeded, SextantError, UpstreamTimeout
from app.routing.board import Call, TargetBoard
from app.routing.failures import Failure, failure_class, most_telling
from app.routing.target import Target
from app.routing.types import Plan


def full_jitter(config: RoutingConfig, retry: int, random: Random) -> float:
    """Seconds to wait before a retry, counted from 0.

    `random_between(0, min(cap, base * 2 ** attempt))`: "full jitter" of Marc Brooker's "Exponential Backoff
    And Jitter" (AWS Architecture Blog, 2015), which takes the fewest calls of the variants compared there.
    """
    return random.uniform(0, min(config.max_retry_after_s, config.backoff_s * 2**retry))


class Itinerary:
    """Where one request goes. As long as there is another target, nobody waits.

    Failures are followed by, in this order:

    - the targets ahead that are in rotation: the rest of the plan, then the fallbacks for what happened.
      A request that a target cannot take (context window, content policy) goes to the fallbacks for that
      first, and of the targets for a long prompt to the larger ones first;
    - where all of those are out of rotation, the fallbacks for what keeps them out, as if they had been asked;
    - targets that failed in passing, once they have had their pause: each at most `retries_per_target`
      times, none past the deadline.

    A target that was silent for too long is not asked again: it may be at work still, and both answers would
    be paid for.

    All calls together are at most `max_attempts`. A refused reservation is no call, nor is what a target's API
    cannot say. After a refused reservation nobody is ahead but the budget's fallbacks, each once, whether or not
    the plan had them ahead anyway.
    """

    def __init__(self, plan: Plan, config: RoutingConfig, board: TargetBoard, random: Random) -> None:
        self._plan = plan
        self._config = config
        self._board = board
        self._random = random
        self._ahead = list(plan.order)  # not yet asked, best first
        self._seen = set(plan.order)
        self._calls: dict[Target, int] = {}
        self._refused: set[Target] = set()  # by a budget
        self._ready_at: dict[Target, float] = {}  # loop time from which a target may be asked again
        self._errors: list[SextantError] = []

    async def next(self, deadline: float) -> Call:
        """The next call, begun on the board. Raises the most telling of the errors when there is none."""
        if sum(self._calls.values()) >= self._config.max_attempts:
            raise most_telling(self._errors)
        if call := self._begin_ahead():
            return call
        while self._ready_at:
            target = min(self._ready_at, key=self._ready_at.__getitem__)
            ready_at = self._ready_at.pop(target)
            if ready_at >= deadline:
                break
            await asyncio.sleep(ready_at - asyncio.get_running_loop().time())
            if call := self._begin_ahead() or self._board.begin(target):
                return call
        # Whoever is still ahead is out of rotation.
        raise most_telling([*map(self._board.refusal, self._ahead), *self._errors])

    def called(self, target: Target) -> None:
        """A call is made now: it counts, whatever comes of it."""
        self._calls[target] = self._calls.get(target, 0) + 1

    def failed(self, target: Target, error: SextantError, kind: Failure) -> None:
        """A call has failed in a way that another one may not."""
        self._errors.append(error)
        named = self._unseen(kind)
        match kind:
            case "context_window":
                self._ahead = sorted([*named, *self._ahead], key=lambda other: _fits_worse(other, target))
            case "content_policy":
                self._ahead = [*named, *self._ahead]
            case "unsupported":
                self._ahead += named
                self._calls[target] -= 1  # nothing was sent
            case _:
                self._ahead += named
                if not isinstance(error, UpstreamTimeout):
                    self._plan_retry(target, error)

    def refused(self, target: Target, error: BudgetExceeded) -> None:
        """A budget does not hold what a target may cost.

        That another target of the plan may be cheaper is not enough to go there: it would change which model
        answers without anybody having said so.
        """
        self._errors.append(error)
        self._refused.add(target)
        done = self._refused | self._calls.keys()
        self._ahead = [named for named in self._plan.fallbacks.get("budget", ()) if named not in done]
        self._seen.update(self._ahead)

    def _begin_ahead(self) -> Call | None:
        """A call to the first that is in rotation, of those ahead and then of what follows them."""
        while (call := self._begin_one_of_these()) is None:
            following = self._following_those_out()
            if not following:
                return None
            self._ahead += following
        return call

    def _begin_one_of_these(self) -> Call | None:
        for target in self._ahead:
            if call := self._board.begin(target):
                self._ahead.remove(target)
                return call
        return None

    def _following_those_out(self) -> list[Target]:
        """The fallbacks for what keeps those ahead out of rotation, as far as they were not ahead before."""
        kinds = dict.fromkeys(failure_class(self._board.refusal(target)) for target in self._ahead)
        return [named for kind in kinds if kind for named in self._unseen(kind)]

    def _unseen(self, kind: Failure) -> list[Target]:
        """The plan's fallbacks that were not ahead before."""
        named = [target for target in self._plan.fallbacks.get(kind, ()) if target not in self._seen]
        self._seen.update(named)
        return named

    def _plan_retry(self, target: Target, error: SextantError) -> None:
        retry = self._calls[target] - 1
        pause_s = error.retry_after_s or 0
        if retry < self._config.retries_per_target and pause_s <= self._config.max_retry_after_s:
            wait_s = pause_s + full_jitter(self._config, retry, self._random)
            self._ready_at[target] = asyncio.get_running_loop().time() + wait_s


def _fits_worse(target: Target, failed: Target) -> int:
    """0: has a larger window than the one that failed; 1: nobody knows; 2: has not."""
    if target.context_window is None or failed.context_window is None:
        return 1
    return 0 if target.context_window > failed.context_window else 2
