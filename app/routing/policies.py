"""How one of several targets is chosen. A policy puts them into an order, and says why the first is first."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from app.routing.board import TargetBoard
from app.routing.target import Target

# Share of requests by which `latency` keeps knowing the targets that it does not prefer.
EXPLORED = 0.05


@dataclass(frozen=True, slots=True)
class Candidate:
    """A target that may be chosen, under the name and with the weight that its alias gives it."""

    name: str
    target: Target
    weight: float


@dataclass(frozen=True, slots=True)
class Choice:
    """Candidates, best first, and why."""

    order: tuple[Candidate, ...]
    reason: str


Choose = Callable[[Sequence[Candidate], TargetBoard, Random], Choice]
"""A policy. It gets one candidate at least."""


def ordered(candidates: Sequence[Candidate], board: TargetBoard, random: Random) -> Choice:
    """As configured."""
    return Choice(tuple(candidates), "ordered")


def weighted(candidates: Sequence[Candidate], board: TargetBoard, random: Random) -> Choice:
    """By chance, in proportion to the weights; those that follow too, so that failover keeps the proportions.

    Weighted sampling without replacement by exponential keys (Efraimidis and Spirakis, 2006).
    """
    drawn = sorted(candidates, key=lambda candidate: random.expovariate(candidate.weight))
    share = drawn[0].weight / math.fsum(candidate.weight for candidate in candidates)
    return Choice(tuple(drawn), f"weighted {share:.2f}")


def least_busy(candidates: Sequence[Candidate], board: TargetBoard, random: Random) -> Choice:
    """The one with the fewest calls in flight from this process; as configured where they are equal.

    Other processes' calls are not asked for: that would be a hop on the way of each request.
    """
    by_load = sorted(candidates, key=lambda candidate: board.in_flight(candidate.target))
    return Choice(tuple(by_load), f"least-busy: {board.in_flight(by_load[0].target)} in flight")


def fastest(candidates: Sequence[Candidate], board: TargetBoard, random: Random) -> Choice:
    """The one with the shortest time to the first token of late, failures counted (`app.routing.outlook`).

    A target that nothing is known of comes first, once: while its first call runs it comes last, so that
    a burst does not go to it whole. Last as well is one that has failed and not answered since. A small share
    of requests goes to any of them, since otherwise a target that was slow or failed once would never be
    measured again.
    """

    def expected_s(candidate: Candidate) -> float:
        known = board.expected_s(candidate.target)
        return -math.inf if known is None else known

    order = sorted(candidates, key=expected_s)
    if len(order) > 1 and random.random() < EXPLORED:
        order.insert(0, order.pop(random.randrange(len(order))))
        return Choice(tuple(order), "latency: exploring")
    expected = expected_s(order[0])
    if math.isinf(expected):
        return Choice(tuple(order), "latency: unknown" if expected < 0 else "latency: none answers")
    return Choice(tuple(order), f"latency: {expected * 1000:.0f} ms")
